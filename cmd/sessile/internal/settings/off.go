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

// offWords disable a setting that can be disabled, in the file, the environment or a flag.
const offWords = "never, none, off, unlimited, -1"

// canBeOff reports whether a setting can be disabled by name.
func (k key) canBeOff() bool {
	return slices.Contains([]string{"store.max_lifetime", "store.cleanup_interval", "store.max_sessions_per_user", "store.max_api_tokens_per_user"}, k.name)
}

// isOff reports whether v is one of offWords. YAML 1.1 parses the word off as false.
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

// switchOff replaces offWords by the store's value for "disabled". It drops values that are neither
// valid nor one of offWords, and reports a fault for each.
func switchOff(k *koanf.Koanf, keys []key) error {
	var faults []error
	for _, s := range keys {
		v := k.Get(s.name)
		if !s.canBeOff() || v == nil {
			continue
		}
		if isOff(v) {
			faults = append(faults, k.Set(s.name, int64(sessile.NoCleanup))) // NoCleanup, NoMaxLifetime and Unlimited are all -1
			continue
		}
		if why := s.faultOf(v); why != "" {
			faults = append(faults, fmt.Errorf("%s: %q is neither %s nor one of %s", s.name, fmt.Sprint(v), why, offWords))
			k.Delete(s.name)
		}
	}
	return errors.Join(faults...)
}

// faultOf returns what v should have been, or "" if v is valid.
func (k key) faultOf(v any) string {
	var err error
	text, isText := v.(string)
	switch k.typ {
	case reflect.TypeFor[time.Duration]():
		if isText {
			_, err = time.ParseDuration(text)
		}
		if err != nil || !isText && v != 0 { // a bare number would mean nanoseconds, which nobody wants
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

// lowerDefaults lowers defaults that would contradict the settings that were set explicitly.
func (s Settings) lowerDefaults(isSet func(name string) bool) Settings {
	if limit := s.Store.MaxLifetime; !isSet("store.ttl") && limit >= time.Second {
		s.Store.TTL = min(s.Store.TTL, limit)
	}
	if !isSet("store.touch_interval") {
		s.Store.TouchInterval = min(s.Store.TouchInterval, max(s.Store.TTL/2, 0))
	}
	return s
}
