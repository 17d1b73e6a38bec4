package config

import "strings"

// Knob is one setting that may come from several places.
type Knob struct {
	Name    string // flag --name, variable JOINERY_NAME (dots and dashes become underscores)
	Key     string // dotted key in the spec of joinery.yaml; empty: Name
	Default string
}

// Env is the environment variable of the knob.
func (k Knob) Env() string {
	return "JOINERY_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(k.Name))
}

// Setting is the value of a knob and where it came from.
type Setting struct {
	Name   string
	Value  string
	Origin string // `flag --kafka`, `env JOINERY_KAFKA`, `joinery.yaml:12:5` or `default`
}

// Resolve settles each knob: flag over environment over joinery.yaml over default. The flags are those that
// were given; env is os.LookupEnv in a process; s may be nil. An empty variable counts as not set.
func Resolve(knobs []Knob, flags map[string]string, env func(string) (string, bool), s *Settings) []Setting {
	out := make([]Setting, len(knobs))
	for i, k := range knobs {
		out[i] = k.resolve(flags, env, s)
	}
	return out
}

func (k Knob) resolve(flags map[string]string, env func(string) (string, bool), s *Settings) Setting {
	if v, ok := flags[k.Name]; ok {
		return Setting{k.Name, v, "flag --" + k.Name}
	}
	if v, ok := env(k.Env()); ok && v != "" {
		return Setting{k.Name, v, "env " + k.Env()}
	}
	key := k.Key
	if key == "" {
		key = k.Name
	}
	if t, ok := s.Lookup(key); ok {
		return Setting{k.Name, t.Value, t.Pos.String()}
	}
	return Setting{k.Name, k.Default, "default"}
}
