package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/wire"
)

// stopTime is how long a service may take to stop after SIGTERM before it is cut off.
const stopTime = 10 * time.Second

// knobs of every service: flag, JOINERY_ variable, key of joinery.yaml, default.
var knobs = []config.Knob{
	{Name: "kafka", Key: "kafka.brokers"},
	{Name: "registry", Key: "registry.url"},
	{Name: "clickhouse", Key: "clickhouse.url"},
	{Name: "listen", Default: "127.0.0.1:0"},
	{Name: "instance", Default: "0"},
	{Name: "data", Default: "."},
	{Name: "log.level", Key: "log.level", Default: "info"},
	{Name: "log.format", Key: "log.format", Default: "text"},
}

// Main runs a service until SIGINT or SIGTERM and returns its exit code: 0 done, 1 failed, 2 usage.
func Main(name string, run func(context.Context, Env) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, code := parse(name, os.Args[1:], os.Stderr)
	if s == nil {
		return code
	}
	if err := s.run(ctx, run); err != nil {
		s.env.Log.Error("stopped by a fault", "service", name, "err", err)
		return 1
	}
	return 0
}

// started is a service whose settings have been read.
type started struct {
	env    Env
	listen string
	reg    *prometheus.Registry
}

func parse(name string, args []string, stderr io.Writer) (*started, int) {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	file := fs.String("config", "joinery.yaml", "`FILE` with the settings; sources, targets and policy lie beside it")
	for _, k := range knobs {
		fs.String(k.Name, "", fmt.Sprintf("also %s; default %q", k.Env(), k.Default))
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, 0
		}
		return nil, 2
	}
	settings, err := config.LoadSettings(*file)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nname the settings with --config FILE\n", name, err)
		return nil, 2
	}
	given := map[string]string{}
	fs.Visit(func(f *flag.Flag) {
		if f.Name != "config" {
			given[f.Name] = f.Value.String()
		}
	})
	values := map[string]string{}
	for _, s := range config.Resolve(knobs, given, os.LookupEnv, settings) {
		values[s.Name] = s.Value
	}
	s, err := assemble(name, filepath.Dir(*file), values, settings, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return nil, 2
	}
	return s, 0
}

func assemble(name, dir string, v map[string]string, settings *config.Settings, stderr io.Writer) (*started, error) {
	var missing []error
	for _, k := range []string{"kafka", "registry"} {
		if v[k] == "" || v[k] == "embedded" {
			missing = append(missing, fmt.Errorf("no address for %s: set it in joinery.yaml, by JOINERY_%s or by --%s (embedded parts belong to `joinery dev`)", k, strings.ToUpper(k), k))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(v["log.level"])); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	var handler slog.Handler = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})
	if v["log.format"] == "json" {
		handler = slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level})
	}
	opts, err := kafkaOptions(settings.Kafka)
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	client, err := wire.NewClient(strings.Split(v["registry"], ",")...)
	if err != nil {
		return nil, err
	}
	return &started{listen: v["listen"], reg: reg, env: Env{
		Name: name, Instance: v["instance"], Kafka: strings.Split(v["kafka"], ","), KafkaOpts: opts, Registry: client,
		ClickHouse: v["clickhouse"], ConfigDir: dir, DataDir: v["data"], Clock: machineClock{}, Metrics: reg,
		Log: slog.New(handler).With("service", name)}}, nil
}

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now().UTC() }

func (s *started) run(ctx context.Context, run func(context.Context, Env) error) error {
	health, err := Serve(s.listen, s.reg)
	if err != nil {
		return err
	}
	s.env.Ready = health.Ready
	s.env.Log.Info("started", "metrics", "http://"+health.Addr()+"/metrics")
	done := make(chan error, 1)
	go func() { done <- run(ctx, s.env) }()
	defer health.Close()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err = <-done:
		return err
	case <-time.After(stopTime):
		return fmt.Errorf("did not stop within %s of the signal", stopTime)
	}
}

func kafkaOptions(k config.Kafka) ([]kgo.Opt, error) {
	var opts []kgo.Opt
	if k.TLS != nil {
		c := &tls.Config{ServerName: k.TLS.ServerName, MinVersion: tls.VersionTLS12}
		if k.TLS.CA != "" {
			pem, err := os.ReadFile(k.TLS.CA)
			if err != nil {
				return nil, fmt.Errorf("read kafka.tls.ca: %w", err)
			}
			c.RootCAs = x509.NewCertPool()
			if !c.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("kafka.tls.ca: %s holds no certificate", k.TLS.CA)
			}
		}
		if k.TLS.Cert != "" {
			pair, err := tls.LoadX509KeyPair(k.TLS.Cert, k.TLS.Key)
			if err != nil {
				return nil, fmt.Errorf("read kafka.tls.cert and key: %w", err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	if k.SASL != nil {
		password, err := k.SASL.Password.Resolve()
		if err != nil {
			return nil, fmt.Errorf("kafka.sasl.password: %w", err)
		}
		opts = append(opts, kgo.SASL(mechanism(k.SASL.Mechanism, k.SASL.Username, password)))
	}
	return opts, nil
}

func mechanism(name, user, password string) sasl.Mechanism {
	switch name {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	}
}
