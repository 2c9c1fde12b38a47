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

// envPrefix begins the name of every environment variable that is a setting.
const envPrefix = "SESSILE_"

// Sources are where settings come from, besides their defaults.
type Sources struct {
	Command string   // the name in the usage text, "sessile demo"
	Summary string   // what the command does, for the usage text
	Args    []string // the flags
	Environ []string // NAME=value, as of os.Environ
	Usage   io.Writer
}

// Load reads every source. Its error is [flag.ErrHelp] after -h, or wraps
// [ErrInvalid] and names all that is wrong, one fault a line.
//
// It also returns warnings: variables that look like a setting and are none.
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
	s = s.giveWay(k.Exists)
	faults = append(faults, s.validate()...) // what could not be decoded is still its default
	if err := errors.Join(faults...); err != nil {
		return Settings{}, warnings, fmt.Errorf("%w:\n%w", ErrInvalid, err)
	}
	return s, warnings, nil
}

// decoded is the decoder's error without its headline, one fault a line.
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

// readFile reads the YAML file and drops, with a fault each, the keys that are no setting.
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

// check walks a parsed file and deletes what is no setting or has no usable type.
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
			// "ttl:" with nothing behind it leaves the default.
		case keys[i].canBeOff():
			continue // see switchOff
		case keys[i].typ == reflect.TypeFor[time.Duration]() && !durationLike(values[name]):
			// A bare number would be taken for nanoseconds, which nobody means.
			fault(full, `must be a duration with a unit, such as "30m"`)
		default:
			continue
		}
		delete(values, name)
	}
}

// durationLike reports whether v may stand for a duration: text, or 0, which is
// the default and means the same in every unit.
func durationLike(v any) bool {
	_, text := v.(string)
	return text || v == 0
}

// environment provides the variables that are settings, and names those that look like one.
func environment(environ []string, keys []key) (*env.Env, []string) {
	var warnings []string
	byVariable := make(map[string]key, len(keys))
	for _, k := range keys {
		byVariable[k.variable()] = k
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, known := byVariable[name]; !known && strings.HasPrefix(name, envPrefix) && name != envPrefix+"CONFIG" {
			warnings = append(warnings, name+" is in the environment but is no setting")
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

// parseFlags returns the flags that were given, and the settings file.
func parseFlags(src Sources, keys []key) (map[string]any, string, error) {
	fs := flag.NewFlagSet(src.Command, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the whole usage text after a mistyped flag would hide what was wrong

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
		return nil, "", fmt.Errorf("%w: %w (-h shows them all)", ErrInvalid, err)
	}
	if fs.NArg() > 0 {
		return nil, "", fmt.Errorf("%w: %q is no flag", ErrInvalid, fs.Arg(0))
	}
	return given, *file, nil
}

// flagValue notes that a flag was given. The type is checked later, with the
// other sources, so that one run reports every fault.
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
