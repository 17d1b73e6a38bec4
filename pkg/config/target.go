package config

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Target is a system that is provisioned.
type Target struct {
	Name         Text
	Connector    string          `key:"connector" is:"required" enum:"scim ldap ad sql rest ticket memory"`
	Connection   Connection      `key:"connection" doc:"how to reach it; token, password, secret and clientSecret are references to secrets"`
	Owner        *Owner          `key:"owner"`
	Account      Account         `key:"account" is:"required"`
	Entitlements []Text          `key:"entitlements" like:"name" doc:"kinds the connector offers; grants name them target:kind/name"`
	Lifecycle    TargetLifecycle `key:"lifecycle"`
	Limits       Limits          `key:"limits"`
	Reconcile    Reconcile       `key:"reconcile"`
	SQL          *SQL            `key:"sql" doc:"statements of connector sql, with bound parameters only"`
	REST         *REST           `key:"rest" doc:"calls of connector rest"`
	Ticket       *Ticket         `key:"ticket" doc:"calls of connector ticket"`
}

// Offers reports whether the target has entitlements of a kind.
func (t *Target) Offers(kind string) bool {
	return slices.ContainsFunc(t.Entitlements, func(k Text) bool { return k.Value == kind })
}

// ServiceAccount reports whether accounts of that name belong to a service, and to no person.
func (t *Target) ServiceAccount(name string) bool {
	return slices.ContainsFunc(t.Reconcile.Service, func(s Service) bool {
		ok, err := path.Match(strings.ToLower(s.Accounts.Value), strings.ToLower(name))
		return err == nil && ok // the pattern was checked with its file
	})
}

// Account says what an account in the target is called and holds.
type Account struct {
	Name       Expr      `key:"name" is:"required" doc:"CEL; fixed once created"`
	Attributes Map[Expr] `key:"attributes" doc:"connector attribute: CEL"`
	Adopt      string    `key:"adopt" default:"name" enum:"name never" doc:"whether an account of that name which carries no identity's id becomes the person's; never, once all accounts are known"`
}

// Owner is who answers for a role or a target.
type Owner struct {
	EmployeeNumber Text `key:"employee_number" is:"required"`
	Secondary      Text `key:"secondary" doc:"employee number of who answers once the owner has left; absent: the owner's manager"`
}

// The states an account can be in.
const (
	AccountActive   = "active"
	AccountDisabled = "disabled"
	AccountAbsent   = "absent"
)

// TargetLifecycle says what an account is while its person is not active.
type TargetLifecycle struct {
	Prehire     string         `key:"prehire" default:"disabled" enum:"active disabled absent"`
	Leave       string         `key:"leave" enum:"active disabled absent" doc:"absent here: as the policy says"`
	Ended       string         `key:"ended" default:"disabled" enum:"disabled absent"`
	DeleteAfter *time.Duration `key:"deleteAfter" doc:"how long a disabled account of a leaver is kept; absent here: as the policy says"`
}

// Limits bounds what the provisioner asks of the target.
type Limits struct {
	Concurrency int           `key:"concurrency" default:"4" min:"1" max:"1024"`
	Rate        Rate          `key:"rate" doc:"calls per s, m or h, such as 20/s; absent: no limit"`
	Timeout     time.Duration `key:"timeout" default:"10s"`
}

// Reconcile says how often the target is compared with what it should be, and what is done about each finding.
type Reconcile struct {
	Every     time.Duration `key:"every" default:"1h"`
	Missing   string        `key:"missing" default:"repair" enum:"repair remove adopt report"`
	Attribute string        `key:"attribute" default:"repair" enum:"repair remove adopt report"`
	Extra     string        `key:"extra" default:"report" enum:"repair remove adopt report"`
	Orphan    string        `key:"orphan" default:"report" enum:"repair remove adopt report"`
	Reenabled string        `key:"reenabled" default:"repair" enum:"repair remove adopt report"`
	Service   []Service     `key:"service" doc:"accounts that programs use: they belong to no person, and are never disabled for want of an owner"`
}

// Service names accounts of programs, and who answers for them.
type Service struct {
	Accounts  Text   `key:"accounts" is:"required" doc:"names, with * and ? for any text and any character"`
	Owner     Owner  `key:"owner" is:"required"`
	Secondary *Owner `key:"secondary" doc:"who answers when the owner has left; then the owner's manager"`
}

func (s *Service) check(d *decoder, _ *yaml.Node) {
	if _, err := path.Match(s.Accounts.Value, ""); err != nil {
		d.faults = append(d.faults, FaultAt(s.Accounts.Pos, "spec.reconcile.service: %q is no pattern of names: %v", s.Accounts.Value, err))
	}
}

// SQL holds the statements of an sql target. Parameters are bound by the connector, never pasted in.
type SQL struct {
	Account      SQLAccount          `key:"account" is:"required"`
	Entitlements Map[SQLEntitlement] `key:"entitlements"`
}

// SQLAccount holds the statements about accounts.
type SQLAccount struct {
	Get     string `key:"get" is:"required"`
	List    string `key:"list" is:"required"`
	Create  string `key:"create" is:"required"`
	Update  string `key:"update"`
	Enable  string `key:"enable" is:"required"`
	Disable string `key:"disable" is:"required"`
	Delete  string `key:"delete"`
	// EndSessions signs everybody out of an account; run for emergencies.
	EndSessions string `key:"endSessions" doc:"signs out whoever is signed in with :account, in an emergency"`
}

// SQLEntitlement holds the statements about one kind of entitlement.
type SQLEntitlement struct {
	List   string `key:"list" is:"required"`
	Grant  string `key:"grant" is:"required"`
	Revoke string `key:"revoke" is:"required"`
}

func (t *Target) check(d *decoder, n *yaml.Node) {
	needsURL := slices.Contains([]string{"scim", "ldap", "ad", "sql", "rest", "ticket"}, t.Connector) && !t.OwnQueue()
	if _, ok := t.Connection["url"]; !ok && needsURL {
		d.fault(keyNode(n, "connection"), "connector %s lacks spec.connection.url", t.Connector)
	}
	for i, kind := range t.Entitlements {
		twice := slices.ContainsFunc(t.Entitlements[:i], func(o Text) bool { return o.Value == kind.Value })
		if kind.Value == KindAccount || twice {
			d.faults = append(d.faults, FaultAt(kind.Pos, "spec.entitlements cannot name %q here: the account is always there, and each kind is named once", kind.Value))
		}
	}
	t.checkSQL(d, n)
	t.checkREST(d, n)
	t.checkTicket(d, n)
}

func (t *Target) checkSQL(d *decoder, n *yaml.Node) {
	switch {
	case t.Connector == "sql" && t.SQL == nil:
		d.fault(n, `connector sql lacks the key "sql" with its statements`)
	case t.Connector != "sql" && t.SQL != nil:
		d.fault(keyNode(n, "sql"), "spec.sql is for connector sql, not %s", t.Connector)
	case t.SQL != nil:
		for _, kind := range t.Entitlements {
			if _, ok := t.SQL.Entitlements.Get(kind.Value); !ok {
				d.faults = append(d.faults, FaultAt(kind.Pos, "spec.sql.entitlements lacks the statements of %q", kind.Value))
			}
		}
		for _, e := range t.SQL.Entitlements {
			if !t.Offers(e.Key.Value) {
				d.faults = append(d.faults, FaultAt(e.Key.Pos, "spec.sql.entitlements has %q, which spec.entitlements does not offer", e.Key.Value))
			}
		}
	}
}

// Connection is how a target is reached: values by key, keys of nested mappings joined by dots
// (`headers.X-Tenant`). Which keys there are is the connector's to say; see Only.
type Connection map[string]Value

// Value is one value of a connection: plain text, or a reference to a secret.
type Value struct {
	Text   string
	Secret Secret
	Pos
}

// String is the text, or the reference to the secret, never the secret.
func (v Value) String() string { return v.Text + v.Secret.Reference }

// Resolve returns the text, or the secret that is referred to.
func (v Value) Resolve() (string, error) {
	if v.Secret.IsZero() {
		return v.Text, nil
	}
	return v.Secret.Resolve()
}

// Resolve returns the value of key, empty if it is not set.
func (c Connection) Resolve(key string) (string, error) { return c[key].Resolve() }

// Only returns a fault for every key that is not known. A known key ending in a dot allows everything below it.
func (c Connection) Only(known ...string) error {
	var faults Faults
	for key, v := range c {
		prefix, _, nested := strings.Cut(key, ".")
		if !slices.Contains(known, key) && (!nested || !slices.Contains(known, prefix+".")) {
			faults = append(faults, FaultAt(v.Pos, "unknown key %q in spec.connection%s", key, DidYouMean(key, known)))
		}
	}
	return faults.Err()
}

func (c *Connection) decode(d *decoder, n *yaml.Node, path string) {
	*c = Connection{}
	c.decodeInto(d, n, path, "", 0)
}

// maxConnectionDepth bounds nested mappings: nothing a connector needs is deeper.
const maxConnectionDepth = 4

func (c Connection) decodeInto(d *decoder, n *yaml.Node, path, prefix string, depth int) {
	for key, value := range d.mapping(n, path) {
		full := prefix + key.Value
		switch {
		case d.refused(value, join(path, key.Value)):
		case value.Kind == yaml.MappingNode && depth < maxConnectionDepth:
			c.decodeInto(d, value, join(path, key.Value), full+".", depth+1)
		case value.Kind != yaml.ScalarNode || empty(value):
			d.fault(value, "%s must be one value, not %s", join(path, key.Value), describe(value))
		default:
			c[full] = d.connectionValue(value, join(path, key.Value), key.Value)
		}
	}
}

// connectionValue takes a value as a secret if its key says so or it is written as one.
func (d *decoder) connectionValue(n *yaml.Node, path, key string) Value {
	v := Value{Text: n.Value, Pos: d.pos(n)}
	secret := slices.Contains([]string{"token", "password", "secret", "clientSecret"}, key)
	inHeaders := strings.Contains(path, ".headers.")
	if secret || strings.HasPrefix(n.Value, "env:") || (inHeaders && strings.HasPrefix(n.Value, "file:")) {
		v.Text = ""
		if expected := v.Secret.set(d, n); expected != "" {
			d.fault(n, "%s must be %s", path, expected)
		}
		return v
	}
	if u, err := url.Parse(n.Value); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			d.fault(n, "%s holds a password; put it in connection.password as a reference to a secret", path)
		}
	}
	return v
}

func (*Connection) schema() *Schema {
	return &Schema{Type: "object", AdditionalProperties: &Schema{Type: []string{"string", "number", "boolean", "object"}}}
}
