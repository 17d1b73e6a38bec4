package app

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"joinery.internal/pkg/config"
)

// settings of a console that runs by itself. `joinery dev` gives Options instead.
type settings struct {
	addr       string // host:port
	reader     string // ClickHouse URL of a user who can only read; empty: the service's own
	registry   string // URL
	demoLogins bool
}

var knobs = []config.Knob{
	{Name: "http", Default: "127.0.0.1:8080"},
	{Name: "clickhouse-reader", Key: "services.console.clickhouse-reader"},
	{Name: "registry", Key: "registry.url"},
	{Name: "demo-logins", Key: "services.console.demo-logins", Default: "false"},
}

func readSettings(dir string, env func(string) (string, bool)) (settings, error) {
	file, err := config.LoadSettings(filepath.Join(dir, config.SettingsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return settings{}, err
	}
	v := map[string]string{}
	for _, s := range config.Resolve(knobs, nil, env, file) {
		v[s.Name] = s.Value
	}
	s := settings{addr: v["http"], reader: v["clickhouse-reader"], registry: v["registry"]}
	if s.demoLogins, err = strconv.ParseBool(v["demo-logins"]); err != nil {
		return settings{}, fmt.Errorf("demo-logins is %q: give true or false", v["demo-logins"])
	}
	return s, nil
}
