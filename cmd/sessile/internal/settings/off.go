package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/v2"

	"github.com/sessile/sessile"
)

// offWords switch a setting off that can be switched off, in the file, in the
// environment and as a flag.
const offWords = "never, none, off, unlimited or -1"

// canBeOff reports whether a setting can be switched off by name.
func (k key) canBeOff() bool {
	return slices.Contains([]string{"store.max_lifetime", "store.cleanup_interval", "store.max_sessions_per_user"}, k.name)
}

// isOff reports whether v is one of offWords. YAML 1.1 takes the word off for false.
func isOff(v any) bool {
	switch v := v.(type) {
	case string:
		word := strings.ToLower(strings.TrimSpace(v))
		return word != "" && slices.Contains([]string{"never", "none", "off", "unlimited", "-1", "-1ns"}, word)
	case bool:
		return !v
	case int:
		return v == -1
	default:
		return false
	}
}

// switchOff replaces offWords by what the store takes for them, and drops, with a
// fault each, what is neither one of them nor a value.
func switchOff(k *koanf.Koanf, keys []key) error {
	var faults []error
	for _, s := range keys {
		v := k.Get(s.name)
		if !s.canBeOff() || v == nil {
			continue
		}
		if isOff(v) {
			faults = append(faults, k.Set(s.name, int64(sessile.NoCleanup))) // all three names are -1
			continue
		}
		if why := s.faultOf(v); why != "" {
			faults = append(faults, fmt.Errorf("%s: %q is neither %s nor %s", s.name, fmt.Sprint(v), why, offWords))
			k.Delete(s.name)
		}
	}
	return errors.Join(faults...)
}

// faultOf is what v should have been, "" if it is that.
func (k key) faultOf(v any) string {
	var err error
	text, isText := v.(string)
	switch k.typ {
	case reflect.TypeFor[time.Duration]():
		if isText {
			_, err = time.ParseDuration(text)
		}
		if err != nil || !isText && v != 0 { // a bare number would be taken for nanoseconds, which nobody means
			return `a duration with a unit, such as "30m",`
		}
	default:
		if isText {
			_, err = strconv.Atoi(text)
		}
		if _, number := v.(int); err != nil || !isText && !number {
			return "a number"
		}
	}
	return ""
}

// giveWay lowers the defaults that make no sense beside what was set.
func (s Settings) giveWay(isSet func(name string) bool) Settings {
	if life := s.Store.MaxLifetime; !isSet("store.ttl") && life >= time.Second {
		s.Store.TTL = min(s.Store.TTL, life)
	}
	if !isSet("store.touch_interval") {
		s.Store.TouchInterval = min(s.Store.TouchInterval, max(s.Store.TTL/2, 0))
	}
	return s
}
