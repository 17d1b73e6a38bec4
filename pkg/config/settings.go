package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Settings is joinery.yaml: where the services find what they need. All of it is optional; flags and
// JOINERY_* variables go over it (see Resolve).
type Settings struct {
	Name       Text
	Timezone   Zone                `key:"timezone" default:"UTC" doc:"time zone of sources that name none"`
	Data       string              `key:"data" doc:"folder of the embedded parts"`
	Server     string              `key:"server" doc:"address of the console, for the command-line tool"`
	HTTP       string              `key:"http" doc:"address the console listens on, host:port"`
	Kafka      Kafka               `key:"kafka"`
	Registry   Endpoint            `key:"registry" doc:"schema registry with the Confluent API"`
	ClickHouse Endpoint            `key:"clickhouse"`
	Log        Log                 `key:"log"`
	Services   Map[ServiceOptions] `key:"services" keys:"name" doc:"settings of one service, by its name"`

	values map[string]Text // every scalar by its dotted key, for Resolve
}

// Kafka is the broker and how to reach it.
type Kafka struct {
	Brokers string `key:"brokers" doc:"embedded, or host:port of brokers with commas between"`
	TLS     *TLS   `key:"tls"`
	SASL    *SASL  `key:"sasl"`
}

// TLS names the files of a TLS client. Empty CA: the system's.
type TLS struct {
	CA         string `key:"ca"`
	Cert       string `key:"cert"`
	Key        string `key:"key"`
	ServerName string `key:"serverName"`
}

// SASL is how a client logs in to Kafka.
type SASL struct {
	Mechanism string `key:"mechanism" is:"required" enum:"PLAIN SCRAM-SHA-256 SCRAM-SHA-512"`
	Username  string `key:"username" is:"required"`
	Password  Secret `key:"password" is:"required"`
}

// Endpoint is a server with an address and a login.
type Endpoint struct {
	URL      string `key:"url" doc:"embedded, or the address"`
	Username string `key:"username"`
	Password Secret `key:"password"`
	Database string `key:"database"`
}

// Log says how services log.
type Log struct {
	Level  string `key:"level" default:"info" enum:"debug info warn error"`
	Format string `key:"format" default:"text" enum:"text json"`
}

// ServiceOptions are the knobs of one service, by name. The service that owns them checks them.
type ServiceOptions Map[Text]

func (o *ServiceOptions) decode(d *decoder, n *yaml.Node, path string) {
	for key, value := range d.mapping(n, path) {
		if value.Kind != yaml.ScalarNode || d.refused(value, path) {
			d.fault(value, "%s must be one value, not %s", join(path, key.Value), describe(value))
			continue
		}
		*o = append(*o, Entry[Text]{Text{key.Value, d.pos(key)}, Text{value.Value, d.pos(value)}})
	}
}

func (*ServiceOptions) schema() *Schema {
	return &Schema{Type: "object", AdditionalProperties: &Schema{Type: []string{"string", "number", "boolean"}}}
}

// Lookup returns the value written at a dotted key, such as kafka.brokers, and its place.
func (s *Settings) Lookup(key string) (Text, bool) {
	if s == nil {
		return Text{}, false
	}
	t, ok := s.values[key]
	return t, ok
}

// remember keeps every scalar of the spec under its dotted key.
func (s *Settings) remember(d *decoder, n *yaml.Node, path []string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.remember(d, n.Content[i+1], append(path, n.Content[i].Value))
		}
	case yaml.ScalarNode:
		if s.values == nil {
			s.values = map[string]Text{}
		}
		s.values[strings.Join(path, ".")] = Text{n.Value, d.pos(n)}
	}
}
