package csv

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Folders in the folder.
const (
	doneFolder    = "done"
	refusedFolder = "refused"
	heldFolder    = "held"
	releaseFolder = "release"
)

const (
	manifestSuffix = ".manifest"
	reasonSuffix   = ".reason.txt"
	rejectsSuffix  = ".rejects.csv"
)

// folder is where files are dropped.
type folder struct {
	dir  string
	seen map[string]look // of files without a manifest, at the last scan
}

// look is how a file looked.
type look struct {
	size    int64
	written time.Time
}

// found is a file that is complete.
type found struct {
	name     string
	released bool
	written  time.Time
	size     int64
	manifest []byte // nil: none
}

// path is where it stands in the folder.
func (f found) path() string {
	if f.released {
		return filepath.Join(releaseFolder, f.name)
	}
	return f.name
}

// prepare makes the folders in it. The folder itself is somebody else's to make.
func (d *folder) prepare() error {
	info, err := os.Stat(d.dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return fmt.Errorf("folder of files %s: %w", d.dir, err)
	}
	for _, name := range []string{doneFolder, refusedFolder, heldFolder, releaseFolder} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o750); err != nil {
			return fmt.Errorf("make folder for files: %w", err)
		}
	}
	return nil
}

// ready lists what is complete: what was released first, then by name.
func (d *folder) ready(manifestRequired bool) ([]found, error) {
	var out []found
	looks := map[string]look{}
	for _, released := range []bool{true, false} {
		entries, err := os.ReadDir(filepath.Join(d.dir, found{released: released}.path()))
		if err != nil {
			return nil, fmt.Errorf("look for files: %w", err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !isData(e.Name()) {
				continue
			}
			f := found{name: e.Name(), released: released}
			complete, err := d.complete(&f, looks, manifestRequired)
			if err != nil {
				return nil, err
			}
			if complete {
				out = append(out, f)
			}
		}
	}
	d.seen = looks
	return out, nil
}

func isData(name string) bool {
	return strings.HasSuffix(strings.ToLower(name), ".csv") && !strings.HasSuffix(name, rejectsSuffix) && !strings.HasPrefix(name, ".")
}

// complete looks at a file, and says whether its writer is done with it.
func (d *folder) complete(f *found, looks map[string]look, manifestRequired bool) (bool, error) {
	path := filepath.Join(d.dir, f.path())
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // renamed since
	}
	if err != nil {
		return false, fmt.Errorf("look at file: %w", err)
	}
	f.size, f.written = info.Size(), info.ModTime().UTC()
	f.manifest, err = os.ReadFile(path + manifestSuffix)
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("read manifest: %w", err)
	}
	now := look{f.size, f.written}
	looks[f.path()] = now
	return !manifestRequired && d.seen[f.path()] == now, nil
}

// errChanged says that a file changed while it was read.
var errChanged = errors.New("the file changed while it was read")

func (d *folder) read(f found) ([]byte, error) {
	if f.size > maxFile {
		return nil, nil // refused by its size
	}
	data, err := os.ReadFile(filepath.Join(d.dir, f.path()))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	if int64(len(data)) != f.size && f.manifest == nil {
		return nil, errChanged
	}
	return data, nil
}

// move puts a file and its manifest into one of the folders, and beside it why.
func (d *folder) move(f found, to, as, reason string) error {
	return d.transfer(filepath.Dir(f.path()), f.name, to, as, reason)
}

// transfer moves a file from one of the folders to another; "." is the folder itself.
func (d *folder) transfer(of, file, to, as, reason string) error {
	name := d.free(to, as)
	if reason != "" {
		if err := os.WriteFile(filepath.Join(d.dir, to, name+reasonSuffix), []byte(reason), 0o640); err != nil {
			return fmt.Errorf("write why: %w", err)
		}
	}
	from, target := filepath.Join(d.dir, of, file), filepath.Join(d.dir, to, name)
	if err := os.Rename(from+manifestSuffix, target+manifestSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("move manifest: %w", err)
	}
	if err := os.Rename(from, target); err != nil { // last: what is still here is not yet moved
		return fmt.Errorf("move file: %w", err)
	}
	return nil
}

// free is the name, or one like it that no file has: nothing that was put aside is written over.
func (d *folder) free(to, name string) string {
	for n := 2; ; n++ {
		if _, err := os.Lstat(filepath.Join(d.dir, to, name)); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		base := strings.TrimSuffix(name, filepath.Ext(name))
		name = strings.TrimSuffix(base, "-"+strconv.Itoa(n-1)) + "-" + strconv.Itoa(n) + filepath.Ext(name)
	}
}

// numbered is a taken file's name in done/: in the order of taking, and there once.
func numbered(generation int, name string) string { return fmt.Sprintf("%06d-%s", generation, name) }

// writeRejects writes the bad rows where the file will be.
func (d *folder) writeRejects(r *drop) error {
	if len(r.bad) == 0 {
		return nil
	}
	name := numbered(r.generation, r.name) + rejectsSuffix
	path := filepath.Join(d.dir, doneFolder, name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	defer file.Close()
	out := csv.NewWriter(file)
	rows := [][]string{{"line", "column", "reason"}}
	for _, b := range r.bad {
		column := ""
		if b.column > 0 {
			column = strconv.Itoa(b.column)
		}
		rows = append(rows, []string{strconv.Itoa(b.line), column, b.reason})
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return file.Close()
}

// held counts the files that wait for a person.
func (d *folder) held() (int, error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, heldFolder))
	if err != nil {
		return 0, fmt.Errorf("look for held files: %w", err)
	}
	n := 0
	for _, e := range entries {
		if isData(e.Name()) {
			n++
		}
	}
	return n, nil
}

// moveIfSame files the accepted file if it is still where it was.
func (d *folder) moveIfSame(path, sum string, generation int) error {
	f := found{name: filepath.Base(path), released: filepath.Dir(path) == releaseFolder}
	data, err := os.ReadFile(filepath.Join(d.dir, f.path()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it was moved
	case err != nil:
		return fmt.Errorf("look at the file taken last: %w", err)
	case sumOf(data) != sum:
		return nil // another of the same name
	}
	return d.move(f, doneFolder, numbered(generation, f.name), "")
}
