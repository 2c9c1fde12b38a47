package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// envPrefix is the prefix of all environment variables that are settings.
const envPrefix = "SESSILE_"

// Sources are the places that settings come from, besides the defaults.
type Sources struct {
	Command string   // the name in the usage text, such as "sessile demo"
	Summary string   // what the command does, for the usage text
	Args    []string // the flags
	Environ []string // NAME=value, like os.Environ
	Usage   io.Writer
}

// Load reads every source. The error is [flag.ErrHelp] after -h. Otherwise it wraps [ErrInvalid] and
// lists every fault, one per line.
//
// Load also returns warnings: variables that look like a setting but are not one.
func Load(src Sources) (Settings, []string, error) {
	keys := allKeys()
	given, file, err := parseFlags(src, keys)
	if err != nil {
		return Settings{}, nil, err
	}
	if file == "" {
		file = lookup(src.Environ, envPrefix+"CONFIG")
	}

	k := koanf.New(".")
	var faults []error
	if file != "" {
		values, err := readFile(file, keys)
		faults = append(faults, err)
		faults = append(faults, k.Load(confmap.Provider(values, "."), nil))
	}
	variables, warnings := environment(src.Environ, keys)
	faults = append(faults, k.Load(variables, nil))
	faults = append(faults, k.Load(confmap.Provider(given, "."), nil))

	faults = append(faults, switchOff(k, keys))

	s := Defaults()
	faults = append(faults, decoded(k.UnmarshalWithConf("", &s, koanf.UnmarshalConf{Tag: "yaml"})))
	s = s.lowerDefaults(k.Exists)
	faults = append(faults, s.validate()...) // settings that could not be decoded still have their defaults
	if err := errors.Join(faults...); err != nil {
		return Settings{}, warnings, fmt.Errorf("%w:\n%w", ErrInvalid, err)
	}
	return s, warnings, nil
}

// decoded returns the decoder's error without its headline, one fault per line.
func decoded(err error) error {
	type list interface {
		error
		Unwrap() []error
	}
	if each, ok := errors.AsType[list](err); ok {
		return each
	}
	return err
}

// readFile reads the YAML file. It drops unknown keys and reports a fault for each.
func readFile(path string, keys []key) (map[string]any, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the settings file: %w", err)
	}
	values, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", path, err)
	}
	var faults []error
	check(values, "", keys, func(name string, why string) {
		faults = append(faults, fmt.Errorf("%s: %s: %s", path, name, why))
	})
	return values, errors.Join(faults...)
}

// check walks a parsed file. It deletes keys that are unknown or have an unusable type.
func check(values map[string]any, prefix string, keys []key, fault func(name, why string)) {
	for _, name := range slices.Sorted(mapKeys(values)) {
		full := prefix + name
		if section, ok := values[name].(map[string]any); ok && isSection(full, keys) {
			check(section, full+".", keys, fault)
			continue
		}
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == full })
		switch {
		case i < 0 && isSection(full, keys):
			if values[name] != nil {
				fault(full, "must be a section with keys below it")
			}
		case i < 0:
			fault(full, "unknown key")
		case values[name] == nil:
			// An empty value ("ttl:") keeps the default.
		case keys[i].canBeOff():
			continue // switchOff checks it
		case keys[i].typ == reflect.TypeFor[time.Duration]() && !durationLike(values[name]):
			// A bare number would mean nanoseconds, which nobody wants.
			fault(full, `must be a duration with a unit, such as "30m"`)
		default:
			continue
		}
		delete(values, name)
	}
}

// durationLike reports whether v may be a duration: a string, or 0, which is the default and the same
// in every unit.
func durationLike(v any) bool {
	_, text := v.(string)
	return text || v == 0
}

// environment returns the variables that are settings, and warnings about those that look like one.
func environment(environ []string, keys []key) (*env.Env, []string) {
	var warnings []string
	byVariable := make(map[string]key, len(keys))
	for _, k := range keys {
		byVariable[k.variable()] = k
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, known := byVariable[name]; !known && strings.HasPrefix(name, envPrefix) && name != envPrefix+"CONFIG" {
			warnings = append(warnings, name+" looks like a setting, but is unknown")
		}
	}
	return env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			k, known := byVariable[name]
			if !known {
				return "", nil
			}
			return k.name, k.value(value)
		},
	}), warnings
}

// parseFlags returns the flags that were given, and the path of the settings file.
func parseFlags(src Sources, keys []key) (map[string]any, string, error) {
	fs := flag.NewFlagSet(src.Command, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // after a mistyped flag, the whole usage text would hide the mistake

	given := make(map[string]any)
	file := fs.String("config", "", "")
	for _, k := range keys {
		fs.Var(&flagValue{key: k, given: given}, k.name, "")
		if k.alias != "" {
			fs.Var(&flagValue{key: k, given: given}, k.alias, "")
		}
	}
	if err := fs.Parse(src.Args); errors.Is(err, flag.ErrHelp) {
		usage(src, keys)
		return nil, "", err
	} else if err != nil {
		return nil, "", fmt.Errorf("%w: %w (see -h)", ErrInvalid, err)
	}
	if fs.NArg() > 0 {
		return nil, "", fmt.Errorf("%w: unexpected argument %q", ErrInvalid, fs.Arg(0))
	}
	return given, *file, nil
}

// flagValue records a flag. Its type is checked later together with the other sources, so that one
// run reports every fault.
type flagValue struct {
	key   key
	given map[string]any
}

func (v *flagValue) String() string   { return "" }
func (v *flagValue) IsBoolFlag() bool { return v.key.typ != nil && v.key.typ.Kind() == reflect.Bool }
func (v *flagValue) Set(s string) error {
	v.given[v.key.name] = v.key.value(s)
	return nil
}

func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return value
		}
	}
	return ""
}
