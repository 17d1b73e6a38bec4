package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// change is one line of the journal.
type change struct {
	Op        string `json:"op"` // register, delete, level
	Subject   string `json:"subject,omitempty"`
	Version   int    `json:"version,omitempty"`
	ID        int    `json:"id,omitempty"`
	Schema    string `json:"schema,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	Level     Level  `json:"level,omitempty"` // empty: no longer configured
}

// journal is the file all changes are in, in order.
type journal struct {
	file *os.File
	end  int64 // up to here all is whole and synced
}

// openJournal reads the file and gives each change to replay.
func openJournal(dir string, replay func(change) error) (*journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, "schemas.jsonl"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f}
	if err := j.read(replay); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", f.Name(), err), f.Close())
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *journal) read(replay func(change) error) error {
	all, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(all, []byte{'\n'})
		if !whole {
			return j.file.Truncate(j.end) // torn: its change was never answered
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("line %d is damaged: %w: restore the file from a copy", n, err)
		}
		if err := replay(c); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		j.end += int64(len(line)) + 1
		all = rest
	}
}

// append makes changes durable: all of them, or after an error none.
func (j *journal) append(changes ...change) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, c := range changes {
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	_, err := j.file.WriteAt(b.Bytes(), j.end)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(err, j.file.Truncate(j.end))
	}
	j.end += int64(b.Len())
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
