package engine

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
)

const (
	ownerUser  = "joinery"
	readerUser = "joinery_reader"
)

// logins are the passwords of one data folder.
type logins struct {
	Owner  string `json:"joinery"`
	Reader string `json:"joinery_reader"`
}

// folder is the layout of a data folder.
//
//	logins.json   passwords, mode 0600      conf/     written anew by every host
//	engine.lock   held by the living host   store/    the engine's own files
//	log/          engine.log, host.log
type folder string

func (f folder) logins() string    { return filepath.Join(string(f), "logins.json") }
func (f folder) lock() string      { return filepath.Join(string(f), "engine.lock") }
func (f folder) conf() string      { return filepath.Join(string(f), "conf") }
func (f folder) config() string    { return filepath.Join(f.conf(), "config.xml") }
func (f folder) users() string     { return filepath.Join(f.conf(), "users.xml") }
func (f folder) logs() string      { return filepath.Join(string(f), "log") }
func (f folder) hostLog() string   { return filepath.Join(f.logs(), "host.log") }
func (f folder) engineLog() string { return filepath.Join(f.logs(), "engine.log") }
func (f folder) store() string     { return filepath.Join(string(f), "store") }

// openFolder makes the data folder and its passwords, or reads them if they are there.
func openFolder(dir string) (logins, error) {
	f := folder(dir)
	for _, d := range []string{f.conf(), f.logs(), f.store()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return logins{}, fmt.Errorf("make data folder: %w", err)
		}
	}
	if _, err := os.Stat(f.logins()); errors.Is(err, fs.ErrNotExist) {
		if err := createLogins(f); err != nil {
			return logins{}, err
		}
	}
	return readLogins(f)
}

// createLogins writes the file under a name of its own and links it into place, so that of two processes one
// wins and both read the same whole file.
func createLogins(f folder) error {
	b, err := json.Marshal(logins{Owner: rand.Text(), Reader: rand.Text()})
	if err != nil {
		return fmt.Errorf("encode logins: %w", err)
	}
	tmp, err := os.CreateTemp(string(f), "logins-*") // mode 0600
	if err != nil {
		return fmt.Errorf("create logins: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // a leftover holds no login that counts
	_, err = tmp.Write(b)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write logins: %w", err)
	}
	if err := os.Link(tmp.Name(), f.logins()); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put logins in place: %w", err)
	}
	return nil
}

func readLogins(f folder) (logins, error) {
	b, err := os.ReadFile(f.logins())
	if err != nil {
		return logins{}, fmt.Errorf("read logins: %w", err)
	}
	var l logins
	if err := json.Unmarshal(b, &l); err != nil {
		return logins{}, fmt.Errorf("read %s: %w", f.logins(), err)
	}
	if l.Owner == "" || l.Reader == "" {
		return logins{}, fmt.Errorf("read %s: a password is missing; restore the file, or remove it to get new passwords", f.logins())
	}
	return l, nil
}

var (
	//go:embed config.xml.tmpl
	configText string
	//go:embed users.xml.tmpl
	usersText string

	templateFuncs  = template.FuncMap{"xml": escapeXML, "sha256": hexSHA256}
	configTemplate = template.Must(template.New("config.xml").Funcs(templateFuncs).Parse(configText))
	usersTemplate  = template.Must(template.New("users.xml").Funcs(templateFuncs).Parse(usersText))
)

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// ports are what config.xml says of listening. Zero: the engine chooses.
type ports struct {
	Host         string
	HTTP, Native string
}

// keepFree is the room on the disk, in bytes, below which the engine refuses to write.
const keepFree = 256 << 20

func writeConfig(f folder, p ports) error {
	return render(configTemplate, f.config(), struct {
		ports
		Store, Users, EngineLog string
		KeepFree                int
	}{p, f.store(), f.users(), f.engineLog(), keepFree})
}

// starterQuota is the number of statements the user `default` may run; see writeUsers.
const starterQuota = 8

// writeUsers writes the users. The engine as a library logs in to itself as `default` without a password, and so
// may anybody on this machine then: openDefault allows that, and its profile and quota make that harmless (checkClosed).
func writeUsers(f folder, l logins, openDefault bool) error {
	return render(usersTemplate, f.users(), struct {
		logins
		OwnerUser, ReaderUser, Nobody string
		OpenDefault                   bool
		StarterQuota                  int
	}{l, ownerUser, readerUser, rand.Text(), openDefault, starterQuota})
}

func render(t *template.Template, path string, data any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("render %s: %w", t.Name(), err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", t.Name(), err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("put %s in place: %w", t.Name(), err)
	}
	return nil
}
