package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"joinery.internal/pkg/config"
	"joinery.internal/services/joinery/internal/running"
)

const apiPrefix = "/api/v1"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 512 << 20

// address is where the console is: flag, JOINERY_SERVER, joinery.yaml, the running dev.
func (t *tool) address() (string, error) {
	s, err := t.setting("server", t.server)
	if err != nil {
		return "", err
	}
	if s != "" {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", usage("server %q is no address: give one such as http://127.0.0.1:8080", s)
		}
		return strings.TrimSuffix(s, "/"), nil
	}
	dev, err := running.Read()
	if errors.Is(err, running.ErrNone) {
		return "", errors.New("no pipeline found: start one with `joinery dev`, or name one with --server URL or JOINERY_SERVER")
	}
	return strings.TrimSuffix(dev.Console, "/"), err
}

// setting settles one knob that is also a flag; given is the flag's value, empty if it was not set.
func (t *tool) setting(name, given string) (string, error) {
	flags := map[string]string{}
	if given != "" {
		flags[name] = given
	}
	settings, err := t.settings()
	if err != nil {
		return "", err
	}
	for _, s := range config.Resolve(knobs, flags, t.env, settings) {
		if s.Name == name {
			return s.Value, nil
		}
	}
	return "", nil
}

// settings reads joinery.yaml; without one there are none.
func (t *tool) settings() (*config.Settings, error) {
	settings, err := config.LoadSettings(t.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return settings, err
}

// problem is a fault of the API (RFC 9457).
type problem struct {
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Errors []string `json:"errors"`
}

func (p *problem) Error() string {
	text := p.Detail
	for _, e := range p.Errors {
		text += "\n  " + e
	}
	return text
}

func (t *tool) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	return t.call(ctx, http.MethodGet, path, query, "", nil)
}

// post sends v as JSON; nil sends nothing.
func (t *tool) post(ctx context.Context, path string, query url.Values, v any) (json.RawMessage, error) {
	if v == nil {
		return t.call(ctx, http.MethodPost, path, query, "", nil)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return t.call(ctx, http.MethodPost, path, query, "application/json", bytes.NewReader(b))
}

func (t *tool) call(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (json.RawMessage, error) {
	server, resp, err := t.fetch(ctx, method, path, query, contentType, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", server, err)
	}
	return answer, fault(server, resp, answer)
}

// pour copies an answer of JSON lines.
func (t *tool) pour(ctx context.Context, path string, query url.Values, out io.Writer) error {
	server, resp, err := t.fetch(ctx, http.MethodGet, path, query, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "application/x-ndjson" {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return errors.Join(err, cmp.Or(fault(server, resp, answer), fmt.Errorf("%s answers with no JSON lines: is it of another version?", server)))
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		return fmt.Errorf("%s broke off, so this is not all: %w", server, err)
	}
	return nil
}

// intoFile writes a file that has its name only once all of it is there.
func intoFile(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed away, or nobody needs it
	out := bufio.NewWriter(f)
	if err := errors.Join(write(out), out.Flush(), f.Chmod(0o600), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// fetch asks the console. The answer's body is to be closed.
func (t *tool) fetch(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (server string, _ *http.Response, _ error) {
	server, err := t.address()
	if err != nil {
		return "", nil, err
	}
	at := server + apiPrefix + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return "", nil, fmt.Errorf("ask %s: %w", server, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if as, err := t.setting("as", t.as); err != nil {
		return "", nil, err
	} else if as != "" {
		req.Header.Set("Joinery-As", as)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", nil, fmt.Errorf("the pipeline at %s does not answer: is it running? %w", server, errors.Unwrap(err))
	}
	return server, resp, nil
}

// fault is what a response says went wrong; nil for success.
func fault(server string, resp *http.Response, body []byte) error {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p problem
	switch {
	case err == nil && media == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Detail != "":
		return &p
	case resp.StatusCode == http.StatusOK && json.Valid(body):
		return nil
	}
	return fmt.Errorf("%s answers %s, and not as a Joinery console does: check the address", server, resp.Status)
}

// page is an answer with items.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// all reads the pages of a list until the end, or until there are limit items; 0 means all.
func (t *tool) all(ctx context.Context, path string, query url.Values, limit int) ([]json.RawMessage, error) {
	items := []json.RawMessage{}
	for {
		size := pageSize
		if limit > 0 {
			size = min(pageSize, limit-len(items))
		}
		query.Set("limit", fmt.Sprint(size))
		next, err := t.list(ctx, path, query)
		if err != nil {
			return nil, err
		}
		items = append(items, next.Items...)
		if next.Next == "" || limit > 0 && len(items) >= limit {
			return items, nil
		}
		query.Set("cursor", next.Next)
	}
}

const pageSize = 1000

func (t *tool) list(ctx context.Context, path string, query url.Values) (page, error) {
	answer, err := t.get(ctx, path, query)
	if err != nil {
		return page{}, err
	}
	return pageOf(answer)
}

func pageOf(answer json.RawMessage) (page, error) {
	var p page
	if err := json.Unmarshal(answer, &p); err != nil {
		return page{}, fmt.Errorf("read the list the pipeline answered: %w", err)
	}
	return p, nil
}

// input opens the file a verb reads; empty or - is standard input.
func input(stdin io.Reader, name string) (io.ReadCloser, error) {
	if name == "" || name == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return f, nil
}
