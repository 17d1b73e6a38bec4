package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Authority says what a source's records may do to a person.
type Authority string

// The authorities.
const (
	AuthorityEmployment Authority = "employment" // may hire and terminate
	AuthorityProfile    Authority = "profile"    // sets attributes only
	AuthoritySignal     Authority = "signal"     // emergencies and observations only
)

// Source is where identity records come from.
type Source struct {
	Name        Text
	Authority   Authority     `key:"authority" is:"required" enum:"employment profile signal" doc:"employment may hire and terminate, profile sets attributes only, signal brings emergencies and observations only"`
	Intake      Intake        `key:"intake" is:"required" doc:"how records arrive; exactly one"`
	Map         *Mapping      `key:"map" doc:"CEL over record; not used with records; built in for scim and ssf"`
	Correlate   []Text        `key:"correlate" enum:"employee_number email phone display_name given_name family_name" doc:"strong keys, in order"`
	Timezone    Zone          `key:"timezone" doc:"where the record has none"`
	ExpectEvery time.Duration `key:"expectEvery" doc:"alert when silent for longer"`
}

func (s *Source) check(d *decoder, n *yaml.Node) {
	if s.Map != nil && s.Intake.Records != nil {
		d.fault(keyNode(n, "map"), "spec.map is not used with intake.records, whose records are canonical already; remove one")
	}
	if kind := s.Intake.Kind(); s.Map == nil && slices.Contains([]string{"kafka", "csv", "webhook", "ldap"}, kind) {
		d.fault(keyNode(n, "intake"), "spec.map is missing: it makes canonical records of what intake.%s brings; write source_key at least", kind)
	}
	if s.Map == nil {
		s.Map = builtIn(s.Intake.Kind())
	}
	for i, key := range s.Correlate {
		if slices.ContainsFunc(s.Correlate[:i], func(t Text) bool { return t.Value == key.Value }) {
			d.faults = append(d.faults, FaultAt(key.Pos, "spec.correlate names %q twice", key.Value))
		}
	}
}

// keyNode returns the node of a key of n, or n itself.
func keyNode(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return n
}

// Intake is how records of a source arrive. Exactly one field is set.
type Intake struct {
	Records *RecordsIntake `key:"records" doc:"canonical records in jml.source.record.v1"`
	Kafka   *KafkaIntake   `key:"kafka" doc:"a topic of the source's own"`
	CSV     *CSVIntake     `key:"csv" doc:"files dropped in a folder"`
	Webhook *WebhookIntake `key:"webhook" doc:"Standard Webhooks"`
	SCIM    *SCIMIntake    `key:"scim" doc:"SCIM 2.0 inbound"`
	SSF     *SSFIntake     `key:"ssf" doc:"Shared Signals, CAEP, RISC, SCIM events"`
	LDAP    *LDAPIntake    `key:"ldap" doc:"Syncrepl or DirSync"`
}

// Kind is the key of the intake that is set.
func (i *Intake) Kind() string {
	if kinds := i.kinds(); len(kinds) > 0 {
		return kinds[0]
	}
	return ""
}

func (i *Intake) kinds() []string {
	var set []string
	v := reflect.ValueOf(i).Elem()
	for _, key := range keysOf(v.Type()) {
		if !v.FieldByIndex(fieldsOf(v.Type())[key].Index).IsNil() {
			set = append(set, key)
		}
	}
	return set
}

func (i *Intake) check(d *decoder, n *yaml.Node) {
	switch kinds := i.kinds(); {
	case len(kinds) > 1:
		d.fault(n, "spec.intake has %s; keep exactly one", strings.Join(kinds, " and "))
	case len(n.Content) == 0:
		d.fault(n, "spec.intake is empty; write exactly one of %s", strings.Join(keysOf(reflect.TypeFor[Intake]()), ", "))
	}
}

// RecordsIntake takes canonical records; it has no settings.
type RecordsIntake struct{}

// KafkaIntake reads a topic of the source's own.
type KafkaIntake struct {
	Topic  string `key:"topic" is:"required"`
	Format string `key:"format" default:"avro" enum:"avro json debezium"`
}

// CSVIntake reads files dropped in a folder.
type CSVIntake struct {
	Directory string  `key:"directory" is:"required"`
	Mode      string  `key:"mode" is:"required" enum:"snapshot delta" doc:"snapshot: each file is everybody; delta: changes only"`
	Manifest  string  `key:"manifest" default:"optional" enum:"required optional"`
	Shrink    *Shrink `key:"shrink" doc:"how much smaller a snapshot may be than the last before it is held"`
}

// Shrink bounds how much a snapshot may shrink.
type Shrink struct {
	Percent float64 `key:"percent" is:"required" min:"0" max:"100"`
}

// WebhookIntake takes signed calls at /in/webhook/{source}.
type WebhookIntake struct {
	Secret Secret `key:"secret" is:"required"`
}

// SCIMIntake takes SCIM 2.0 calls at /in/scim/{source}/v2/.
type SCIMIntake struct {
	Token Secret `key:"token" is:"required"`
}

// SSFIntake takes security event tokens at /in/ssf/{source}.
type SSFIntake struct {
	Issuer   string `key:"issuer" is:"required"`
	Audience string `key:"audience" is:"required"`
	JWKS     string `key:"jwks" doc:"URL of the issuer's keys; absent: as its /.well-known/ssf-configuration says"`
	Token    Secret `key:"token" doc:"bearer token the transmitter must show besides; absent: none"`
}

// LDAPIntake follows a directory.
type LDAPIntake struct {
	URL      string `key:"url" is:"required"`
	Base     string `key:"base" is:"required"`
	BindDN   string `key:"bindDN" doc:"who asks; absent: anonymous"`
	Password Secret `key:"password"`
	Filter   string `key:"filter" doc:"whom to follow; absent: (objectClass=person), of a domain controller users but computers"`
	CA       string `key:"ca" doc:"PEM file of the authority that signed the server's certificate; absent: the machine's"`
}

// Mapping makes a canonical record of a foreign one: an expression per field of jml.source.record.v1.
type Mapping struct {
	SourceKey   Expr           `key:"source_key" is:"required"`
	ID          Expr           `key:"id"`
	Sequence    Expr           `key:"sequence"`
	RecordedAt  Expr           `key:"recorded_at"`
	EffectiveAt Expr           `key:"effective_at"`
	Kind        Expr           `key:"kind"`
	Reason      Expr           `key:"reason"`
	RelatedKey  Expr           `key:"related_key"`
	Person      *PersonMapping `key:"person"`
}

// PersonMapping is the person part of a Mapping.
type PersonMapping struct {
	EmployeeNumber Expr      `key:"employee_number"`
	GivenName      Expr      `key:"given_name"`
	FamilyName     Expr      `key:"family_name"`
	DisplayName    Expr      `key:"display_name"`
	Email          Expr      `key:"email"`
	Phone          Expr      `key:"phone"`
	Title          Expr      `key:"title"`
	Department     Expr      `key:"department"`
	Company        Expr      `key:"company"`
	CostCentre     Expr      `key:"cost_centre"`
	Location       Expr      `key:"location"`
	Manager        Expr      `key:"manager"`
	WorkerType     Expr      `key:"worker_type"`
	StartDate      Expr      `key:"start_date"`
	EndDate        Expr      `key:"end_date"`
	Timezone       Expr      `key:"timezone"`
	Attributes     Map[Expr] `key:"attributes"`
}

// Fields returns the expressions of the record's own fields, in the order of the format.
func (m *Mapping) Fields() Map[Expr] { return exprsOf(reflect.ValueOf(m).Elem()) }

// Fields returns the expressions of the person's fields but the attributes.
func (m *PersonMapping) Fields() Map[Expr] {
	if m == nil {
		return nil
	}
	return exprsOf(reflect.ValueOf(m).Elem())
}

func exprsOf(v reflect.Value) Map[Expr] {
	var out Map[Expr]
	fields := fieldsOf(v.Type())
	for _, key := range keysOf(v.Type()) {
		if x, ok := v.FieldByIndex(fields[key].Index).Interface().(Expr); ok && !x.IsZero() {
			out = append(out, Entry[Expr]{Text{key, x.Pos()}, x})
		}
	}
	return out
}
