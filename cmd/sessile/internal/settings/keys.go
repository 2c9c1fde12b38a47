package settings

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// key is one setting, named like "addr" or "store.ttl".
type key struct {
	name    string
	alias   string // a shorter name for the flag
	typ     reflect.Type
	help    string
	initial string // the default, for the usage text
}

// variable returns the name of the environment variable.
func (k key) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// value converts the text of a flag or variable for the decoder.
func (k key) value(text string) any {
	if k.typ.Kind() != reflect.Slice {
		return text
	}
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// allKeys lists the settings by their yaml tags. A new field of the store's Config thereby becomes a
// flag, a variable and a key of the file without further work.
func allKeys() []key {
	keys := fields(reflect.ValueOf(Defaults()), "")
	for i := range keys {
		keys[i].help = help(keys[i].name)
		if keys[i].name == "store.path" {
			keys[i].alias = "db"
		}
	}
	return keys
}

func fields(v reflect.Value, prefix string) []key {
	var keys []key
	for field, value := range v.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported() || tag == "" || tag == "-":
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, fields(value, prefix+tag+".")...)
		default:
			k := key{name: prefix + tag, typ: field.Type}
			if !value.IsZero() {
				k.initial = fmt.Sprint(value)
			}
			keys = append(keys, k)
		}
	}
	return keys
}

// isSection reports whether name is a section that contains keys.
func isSection(name string, keys []key) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") })
}

func mapKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// usage writes the help text of -h.
func usage(src Sources, keys []key) {
	out := src.Usage
	fmt.Fprintf(out, "%s\n\nUsage: %s [flags]\n\n", src.Summary, src.Command)
	fmt.Fprint(out, "Each setting is a flag, an environment variable, or a key of the YAML file named by\n"+
		"-config or SESSILE_CONFIG. Flags override the environment, which overrides the file.\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FLAG\tVARIABLE\tDEFAULT\tMEANING")
	fmt.Fprintln(w, "  -config\tSESSILE_CONFIG\t\tYAML file to read")
	for _, k := range keys {
		name := "-" + k.name
		if k.alias != "" {
			name += ", -" + k.alias
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", name, k.variable(), cmp.Or(k.initial, "·"), k.help)
	}
	w.Flush()
	fmt.Fprint(out, "\nA · is the library's default. Durations need a unit: 100ms, 30m, 12h.\n")
}
