// Package target turns the target files of a folder into what opens their connectors.
//
// It owns the step from pkg/config's words to pkg/connector's, with secrets read on the way. It does not own the shape
// of the files (pkg/config) or what a connector does with them (pkg/connector). It keeps no state.
//
//	targets, err := target.Load(dir)
//	c, err := target.Open(open.Factory{}, targets[0], nil)
package target

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
)

// Complete finishes a target's connection; nil: as written.
type Complete func(name string, connection map[string]string) map[string]string

// Load reads the target files of a folder. Any fault of the folder is an error: half a configuration is none.
func Load(dir string) ([]*config.Target, error) {
	cfg, err := config.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read target files of %s: %w", dir, err)
	}
	return cfg.Targets, nil
}

// Open reads the target's secrets and opens its connector, which makes no call yet. The caller ends with
// connector.Close.
func Open(f open.Factory, t *config.Target, complete Complete) (connector.Connector, error) {
	s, err := Settings(t, complete)
	if err != nil {
		return nil, err
	}
	return f.Open(s)
}

// Check opens each target once, and names every file that is wrong: a connector that there is not, a key or statement that
// it does not take, a secret that cannot be read. Whether the targets answer is another matter.
func Check(f open.Factory, targets []*config.Target, complete Complete) error {
	var faults []error
	for _, t := range targets {
		c, err := Open(f, t, complete)
		if err == nil {
			err = connector.Close(c)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", t.Name.Pos, err))
		}
	}
	return errors.Join(faults...)
}

// Settings gives what a connector needs to know of the target, with secrets read. A secret that cannot be read makes
// the settings Invalid.
func Settings(t *config.Target, complete Complete) (connector.Settings, error) {
	s := settings(t)
	for _, key := range slices.Sorted(maps.Keys(t.Connection)) {
		text, err := t.Connection.Resolve(key)
		if err != nil {
			return s, &connector.Error{Class: connector.Invalid, Op: "read connection." + key + " of target " + s.Name, Err: err}
		}
		s.Connection[key] = text
	}
	if complete != nil {
		s.Connection = complete(s.Name, s.Connection)
	}
	return s, nil
}

// settings are all but the connection.
func settings(t *config.Target) connector.Settings {
	s := connector.Settings{Name: t.Name.Value, Connector: t.Connector, Timeout: t.Limits.Timeout, Connection: map[string]string{},
		Attributes: []string{}, SQL: statements(t.SQL), REST: rest(t.REST), Ticket: ticket(t.Ticket)}
	for _, kind := range t.Entitlements {
		s.Entitlements = append(s.Entitlements, kind.Value)
	}
	for name := range t.Account.Attributes.All() {
		s.Attributes = append(s.Attributes, name)
	}
	slices.Sort(s.Attributes)
	return s
}

func statements(sql *config.SQL) *connector.Statements {
	if sql == nil {
		return nil
	}
	s := &connector.Statements{Account: connector.AccountStatements(sql.Account), Entitlements: map[string]connector.EntitlementStatements{}}
	for kind, e := range sql.Entitlements.All() {
		s.Entitlements[kind] = connector.EntitlementStatements(e)
	}
	return s
}
