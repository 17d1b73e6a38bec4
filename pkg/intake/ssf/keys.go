package ssf

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"joinery.internal/pkg/address"
	"joinery.internal/pkg/intake/gate"
)

const (
	keysFresh    = 10 * time.Minute // how long keys are used without asking again
	keysUsable   = time.Hour        // how long they are used when the issuer does not answer
	askAgain     = 10 * time.Second // between two questions, whatever tokens claim
	fetchTimeout = 5 * time.Second
	maxDocument  = 1 << 20 // bytes of a configuration or a set of keys
	minRSA       = 2048    // bits
)

// keyring keeps the keys of an issuer. A key that the issuer has withdrawn is gone within keysFresh.
type keyring struct {
	issuer string
	jwks   string // where its keys are; empty: as its configuration says
	clock  gate.Clock
	http   *http.Client

	mu    sync.Mutex
	keys  []jose.JSONWebKey
	read  time.Time // when keys were read; zero: never
	asked time.Time
}

func newKeyring(issuer, jwks string, clock gate.Clock) (*keyring, error) {
	for _, at := range []string{issuer, jwks} {
		if at == "" {
			continue
		}
		if err := fetchable(at); err != nil {
			return nil, err
		}
	}
	k := &keyring{issuer: issuer, jwks: jwks, clock: clock}
	k.http = &http.Client{Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return k, nil
}

// fetchable refuses what would be read unprotected.
func fetchable(at string) error {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !address.Loopback(u.Hostname()))) {
		return errors.New("the address of the issuer or its keys is no https URL (http only on loopback)")
	}
	return nil
}

// find returns the keys a token of this kid may be signed with; all of them if it names none. A kid that is not known
// makes the keyring ask the issuer, at most every askAgain.
func (k *keyring) find(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	found := named(k.keys, kid)
	age := now.Sub(k.read)
	if k.read.IsZero() || age > keysFresh || len(found) == 0 {
		if now.Sub(k.asked) < askAgain && !k.asked.IsZero() {
			return k.old(found, age, errors.New("they were asked for a moment ago"))
		}
		k.asked = now
		keys, err := k.fetch(ctx)
		if err != nil {
			return k.old(found, age, err)
		}
		k.keys, k.read = keys, now
		found = named(keys, kid)
	}
	return found, nil
}

// old gives keys that could not be read again, as long as they may be used.
func (k *keyring) old(found []jose.JSONWebKey, age time.Duration, err error) ([]jose.JSONWebKey, error) {
	if k.read.IsZero() || age > keysUsable {
		return nil, gate.Unavailable("the keys of the issuer cannot be read; send the token again", err)
	}
	return found, nil
}

func named(keys []jose.JSONWebKey, kid string) []jose.JSONWebKey {
	if kid == "" {
		return keys
	}
	var out []jose.JSONWebKey
	for _, key := range keys {
		if key.KeyID == kid {
			out = append(out, key)
		}
	}
	return out
}

// fetch reads the issuer's keys, and its configuration before if need be.
func (k *keyring) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	where := k.jwks
	if where == "" {
		var configuration struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := k.get(ctx, configurationOf(k.issuer), &configuration); err != nil {
			return nil, fmt.Errorf("read configuration of the issuer: %w", err)
		}
		if configuration.Issuer != k.issuer {
			return nil, errors.New("read configuration of the issuer: it is the one of another issuer")
		}
		where = configuration.JWKS
	}
	if err := fetchable(where); err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := k.get(ctx, where, &set); err != nil {
		return nil, fmt.Errorf("read keys of the issuer: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, key := range set.Keys {
		if usable(key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// usable says whether a key is a public one to verify with, and no toy.
func usable(key jose.JSONWebKey) bool {
	if r, ok := key.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSA {
		return false
	}
	return key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig")
}

// configurationOf is where an issuer's configuration is: the well-known path stands between host and path.
func configurationOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	u.Path = "/.well-known/ssf-configuration" + strings.TrimSuffix(u.Path, "/")
	return u.String()
}

func (k *keyring) get(ctx context.Context, at string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	client := *k.http
	client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Control: k.reachable(req.URL.Hostname())}).DialContext}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d", res.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxDocument)).Decode(into)
}

// reachable refuses, after the name was resolved, addresses that only this network has - unless it is the host that the
// source's file names - and those of the cloud's metadata always.
func (k *keyring) reachable(host string) func(string, string, syscall.RawConn) error {
	trusted := false
	for _, named := range []string{k.issuer, k.jwks} {
		if u, err := url.Parse(named); err == nil && named != "" && strings.EqualFold(u.Hostname(), host) {
			trusted = true
		}
	}
	return address.Control(func(ip netip.Addr) error {
		if ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() || !trusted && (ip.IsPrivate() || ip.IsLoopback()) {
			return errors.New("the address is one of this network, and the source's file does not name its host")
		}
		return nil
	})
}
