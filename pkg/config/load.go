package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// SettingsFile is the one file that is not part of the bundle.
const SettingsFile = "joinery.yaml"

// File is one file of the folder. Name is relative to the folder, with slashes.
type File struct {
	Name string
	Data []byte
}

// Config is a whole folder. Sources, Targets and Policies are sorted by name, Files by name.
type Config struct {
	Settings Settings
	Sources  []*Source
	Targets  []*Target
	Policies []*Policy
	Files    []File // all but joinery.yaml: what a bundle is made of
	Hash     string // of Files
	// Incomplete is set if a file could not be read to its end, so that names may be missing that are there.
	Incomplete bool
}

// Source returns the source of that name.
func (c *Config) Source(name string) (*Source, bool) {
	return find(c.Sources, name, func(s *Source) Text { return s.Name })
}

// Target returns the target of that name.
func (c *Config) Target(name string) (*Target, bool) {
	return find(c.Targets, name, func(t *Target) Text { return t.Name })
}

func find[T any](sorted []*T, name string, of func(*T) Text) (*T, bool) {
	i, ok := slices.BinarySearchFunc(sorted, name, func(t *T, name string) int { return cmp.Compare(of(t).Value, name) })
	if !ok {
		return nil, false
	}
	return sorted[i], true
}

// LoadDir reads the folder dir. The error is Faults if the files were read and are wrong; the Config then holds
// what could be understood, so that pkg/policy can find further faults in it.
func LoadDir(dir string) (*Config, error) {
	files, faults, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	return load(dir, files, faults)
}

// Load reads files from memory, such as those of a published bundle. Relative secret paths are relative to the
// working directory; see LoadIn.
func Load(files []File) (*Config, error) { return load("", files, nil) }

// LoadIn is Load with relative secret paths relative to dir.
func LoadIn(dir string, files []File) (*Config, error) { return load(dir, files, nil) }

// LoadSettings reads one joinery.yaml, as services do; no file of policy need be near it.
func LoadSettings(file string) (*Settings, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	cfg, err := LoadIn(filepath.Dir(file), []File{{SettingsFile, data}})
	if err != nil {
		return nil, fmt.Errorf("read settings %s: %w", file, err)
	}
	return &cfg.Settings, nil
}

var folders = []string{"sources", "targets", "policy"}

func readDir(dir string) ([]File, Faults, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	} else if !info.IsDir() {
		return nil, nil, fmt.Errorf("read configuration: %s is a file; name the folder that holds %s", dir, SettingsFile)
	}
	var files []File
	var faults Faults
	data, err := os.ReadFile(filepath.Join(dir, SettingsFile))
	switch {
	case err == nil:
		files = append(files, File{SettingsFile, data})
	case !errors.Is(err, os.ErrNotExist):
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("read configuration: %w", err)
		}
		for _, e := range entries {
			name := path.Join(folder, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."): // editors' and volume mounts' own
			case e.IsDir():
				faults = append(faults, Fault{name, 1, 1, "folders inside " + folder + "/ are not read; move its files up"})
			case path.Ext(name) == ".yml":
				faults = append(faults, Fault{name, 1, 1, "only *.yaml is read; rename the file"})
			case path.Ext(name) == ".yaml":
				data, err := os.ReadFile(filepath.Join(dir, folder, e.Name()))
				if err != nil {
					return nil, nil, fmt.Errorf("read configuration: %w", err)
				}
				files = append(files, File{name, data})
			}
		}
	}
	if len(files)+len(faults) == 0 {
		return nil, nil, fmt.Errorf("read configuration: %s holds no %s and nothing in sources/, targets/ or policy/; is it the right folder?", dir, SettingsFile)
	}
	return files, faults, nil
}

func load(dir string, files []File, faults Faults) (*Config, error) {
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	l := &loader{cfg: &Config{}, faults: faults, names: map[string]Pos{}}
	setDefaults(&decoder{}, reflect.ValueOf(&l.cfg.Settings).Elem())
	for i, f := range sorted {
		if i > 0 && sorted[i-1].Name == f.Name {
			l.faults = append(l.faults, Fault{f.Name, 1, 1, "the file is there twice"})
			continue
		}
		l.file(dir, f)
		if f.Name != SettingsFile {
			l.cfg.Files = append(l.cfg.Files, f)
		}
	}
	c := l.cfg
	slices.SortFunc(c.Sources, func(a, b *Source) int { return cmp.Compare(a.Name.Value, b.Name.Value) })
	slices.SortFunc(c.Targets, func(a, b *Target) int { return cmp.Compare(a.Name.Value, b.Name.Value) })
	slices.SortFunc(c.Policies, func(a, b *Policy) int { return cmp.Compare(a.Name.Value, b.Name.Value) })
	c.Hash = hash(c.Files)
	return c, l.faults.Err()
}

// hash names a set of files: each name and content with its length before it, in the order of names.
func hash(files []File) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%d:%s%d:", len(f.Name), f.Name, len(f.Data))
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// loader gathers the documents of all files.
type loader struct {
	cfg    *Config
	faults Faults
	names  map[string]Pos // where each kind/name was first used
}

func (l *loader) file(dir string, f File) {
	d := &decoder{file: f.Name, dir: dir, source: newSource(f.Data)}
	defer func() { l.faults = append(l.faults, d.faults...) }()
	if !utf8.Valid(f.Data) {
		l.cfg.Incomplete = true
		d.faults = append(d.faults, Fault{f.Name, 1, 1, "the file is not UTF-8 text"})
		return
	}
	in := yaml.NewDecoder(bytes.NewReader(f.Data))
	for {
		var doc yaml.Node
		err := in.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.cfg.Incomplete = true
			d.faults = append(d.faults, syntaxFault(f, err))
			return
		}
		if len(doc.Content) == 1 && !empty(doc.Content[0]) {
			l.document(d, doc.Content[0])
		}
	}
}

// header is what every document begins with.
type header struct {
	APIVersion string   `key:"apiVersion" is:"required" enum:"joinery/v1"`
	Kind       string   `key:"kind" is:"required" enum:"Settings Source Target Policy"`
	Metadata   metadata `key:"metadata" is:"required"`
	Spec       rawNode  `key:"spec"`
}

type metadata struct {
	Name Text `key:"name" is:"required" like:"name"`
}

// rawNode keeps a node until the kind of its document is known.
type rawNode struct{ node *yaml.Node }

func (r *rawNode) decode(_ *decoder, n *yaml.Node, _ string) { r.node = n }
func (*rawNode) schema() *Schema                             { return &Schema{Type: "object"} }

func (l *loader) document(d *decoder, n *yaml.Node) {
	var h header
	d.value(n, reflect.ValueOf(&h).Elem(), document, "")
	if n.Kind != yaml.MappingNode {
		return
	}
	if (h.Kind == "Settings") != (d.file == SettingsFile) && slices.Contains([]string{"Settings", "Source", "Target", "Policy"}, h.Kind) {
		d.fault(keyNode(n, "kind"), "%s holds Settings and nothing else does; move this %s", SettingsFile, h.Kind)
	}
	l.unique(d, h)
	spec := h.Spec.node
	if spec == nil {
		if h.Kind == "Source" || h.Kind == "Target" {
			d.fault(n, `%s lacks the key "spec"`, document)
			return
		}
		spec = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	}
	switch name := h.Metadata.Name; h.Kind {
	case "Settings":
		l.cfg.Settings.Name = name
		d.value(spec, reflect.ValueOf(&l.cfg.Settings).Elem(), "spec", "")
		l.cfg.Settings.remember(d, spec, nil)
	case "Source":
		s := &Source{Name: name}
		d.value(spec, reflect.ValueOf(s).Elem(), "spec", "")
		l.cfg.Sources = append(l.cfg.Sources, s)
	case "Target":
		t := &Target{Name: name}
		d.value(spec, reflect.ValueOf(t).Elem(), "spec", "")
		l.cfg.Targets = append(l.cfg.Targets, t)
	case "Policy":
		p := &Policy{Name: name}
		d.value(spec, reflect.ValueOf(p).Elem(), "spec", "")
		l.cfg.Policies = append(l.cfg.Policies, p)
	}
}

// unique reports a second document of the same kind and name; there is one Settings at most.
func (l *loader) unique(d *decoder, h header) {
	key := h.Kind + " " + h.Metadata.Name.Value
	if h.Kind == "Settings" {
		key = h.Kind
	} else if h.Metadata.Name.Value == "" {
		return
	}
	if first, twice := l.names[key]; twice {
		d.faults = append(d.faults, FaultAt(h.Metadata.Name.Pos, "%s is already defined at %s", key, first))
		return
	}
	l.names[key] = h.Metadata.Name.Pos
}
