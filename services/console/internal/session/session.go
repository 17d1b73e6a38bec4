// Package session works out who is asking.
//
// It owns demo logins: in development one chooses who one is, in a cookie or, for the command-line tool, in the header
// Joinery-As. They exist only where Demo is set, which the app allows on loopback alone; everywhere else every request
// is refused, because there is no other way to sign in yet. It does not own what somebody may do (package desk).
//
// A Sessions is safe for concurrent use.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// Header names the person to act as: identity id or employee number. Demo logins only.
const Header = "Joinery-As"

// cookieName has no __Host- prefix: that demands TLS, which loopback does not have.
const cookieName = "joinery-demo"

// People looks people up.
type People interface {
	Find(name string) (event.IdentityID, error)
	Name(event.IdentityID) string
}

// Sessions signs people in and out.
type Sessions struct {
	people People
	demo   bool
	key    []byte // of this process: a restart signs everybody out
}

// New returns sessions; demo turns demo logins on.
func New(people People, demo bool) *Sessions {
	key := make([]byte, sha256.Size)
	rand.Read(key) //nolint:errcheck // it never fails: see crypto/rand
	return &Sessions{people: people, demo: demo, key: key}
}

// Demo says whether demo logins are on.
func (s *Sessions) Demo() bool { return s.demo }

// Actor says who asks: the header, else the cookie, else the operator of this pipeline.
func (s *Sessions) Actor(r *http.Request) (desk.Actor, error) {
	if !s.demo {
		return desk.Actor{}, &desk.Fault{Kind: desk.Anonymous, Detail: "there is no way to sign in to this console: demo logins are for `joinery dev` on loopback"}
	}
	if as := r.Header.Get(Header); as != "" {
		id, err := s.people.Find(as)
		if err != nil {
			return desk.Actor{}, fmt.Errorf("act as %q: %w", as, err)
		}
		return s.actor(id), nil
	}
	if c, err := r.Cookie(cookieName); err == nil {
		if id, ok := s.verify(c.Value); ok {
			return s.actor(id), nil
		}
	}
	return desk.Actor{Name: desk.Operator}, nil
}

func (s *Sessions) actor(id event.IdentityID) desk.Actor {
	return desk.Actor{ID: id, Name: s.people.Name(id)}
}

// SignIn makes the browser act as that person until it is closed.
func (s *Sessions) SignIn(w http.ResponseWriter, id event.IdentityID) {
	http.SetCookie(w, s.cookie(base64.RawURLEncoding.EncodeToString([]byte(id))+"."+s.sign(string(id)), 0))
}

// SignOut makes the browser act as the operator again.
func (s *Sessions) SignOut(w http.ResponseWriter) { http.SetCookie(w, s.cookie("", -1)) }

func (s *Sessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: maxAge}
}

func (s *Sessions) verify(value string) (event.IdentityID, bool) {
	encoded, signature, _ := strings.Cut(value, ".")
	id, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal([]byte(signature), []byte(s.sign(string(id)))) {
		return "", false
	}
	return event.IdentityID(id), true
}

func (s *Sessions) sign(id string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
