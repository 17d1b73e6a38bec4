// Package sendertest is a system that pushes to Joinery, made of libraries of others: webhooks are signed and sent with
// standardwebhooks, security event tokens signed with jose, both from npm, in a Node process of its own.
//
// It owns the sender: its keys, which it serves as an issuer does, and what it signs. It knows nothing of Joinery.
//
//	s := sendertest.Start(t)
//	status, body := s.Webhook(t, sendertest.Webhook{URL: url, Secret: secret, ID: "msg_1", Body: `{"id":1}`})
//	token := s.Token(t, sendertest.Token{Claims: claims})
package sendertest

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"testing"

	"joinery.internal/pkg/nodetest"
)

//go:embed server
var server embed.FS

// Sender is the process. As an issuer its name is Origin.
type Sender struct{ Origin string }

// Start starts a sender; it ends with the test.
func Start(t *testing.T) Sender {
	t.Helper()
	files, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the sender: %v", err)
	}
	return Sender{nodetest.Start(t, "sender", files)}
}

// Webhook is one push.
type Webhook struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
	ID     string `json:"id"`
	At     int64  `json:"at,omitempty"` // seconds; 0: now
	Body   string `json:"body"`
}

// Answer is what a push came to.
type Answer struct {
	Status int
	Body   string
	Retry  string // Retry-After
}

// Webhook signs and sends a push.
func (s Sender) Webhook(t *testing.T, w Webhook) (a Answer) {
	t.Helper()
	s.ask(t, "/webhook", w, &a)
	return a
}

// Token is what a security event token is made of.
type Token struct {
	Claims map[string]any `json:"claims"`
	Alg    string         `json:"alg,omitempty"` // of the key; empty: ES256. HS256 signs with the public key as the secret
	Typ    string         `json:"typ,omitempty"` // empty: secevent+jwt
	Key    string         `json:"key,omitempty"` // kid of the key; empty: the newest of the alg. "stranger" is of nobody's
}

// Token signs a token.
func (s Sender) Token(t *testing.T, of Token) string {
	t.Helper()
	var out struct{ Token string }
	s.ask(t, "/token", of, &out)
	return out.Token
}

// Rotate makes new keys; of the old ones only what keep says is still served.
func (s Sender) Rotate(t *testing.T, keep bool) {
	t.Helper()
	s.ask(t, "/rotate", map[string]bool{"keep": keep}, nil)
}

func (s Sender) ask(t *testing.T, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("ask the sender: %v", err)
	}
	res, err := http.Post(s.Origin+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("ask the sender: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the sender answers %s", res.Status)
	}
	if out == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		t.Fatalf("read the sender's answer: %v", err)
	}
}
