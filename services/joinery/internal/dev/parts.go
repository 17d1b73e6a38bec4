package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/broker"
	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/registry"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/services/demoapp"
	"joinery.internal/services/example"
)

type streamOptions = stream.Options

// parts is what the services stand on. Those not embedded are nil, with their addresses set.
type parts struct {
	broker   *broker.Broker
	engine   *engine.Engine
	registry *registry.Registry
	server   *http.Server // of the registry
	apps     *demoapp.Apps
	end      context.CancelFunc

	kafka       string
	registryURL string
	ownerURL    string // ClickHouse, to write
	readerURL   string // ClickHouse, to read
}

// openParts starts what is embedded, all at once. What was opened is in the result also when an error comes with it.
func openParts(ctx context.Context, o Options) (*parts, error) {
	p := &parts{kafka: o.Kafka, registryURL: o.Registry}
	var group errgroup.Group
	if o.Kafka == Embedded {
		group.Go(func() (err error) {
			p.broker, err = broker.Open(ctx, broker.Options{Dir: filepath.Join(o.Data, "kafka"), SelfExe: with(o.SelfExe, "broker-host")})
			if err == nil {
				p.kafka = p.broker.Addr()
			}
			return err
		})
	}
	if o.Registry == Embedded {
		group.Go(func() error { return p.openRegistry(filepath.Join(o.Data, "registry")) })
	}
	group.Go(func() (err error) {
		p.engine, err = engine.Open(ctx, engine.Options{Setting: o.ClickHouse, Dir: filepath.Join(o.Data, "clickhouse"), SelfExe: with(o.SelfExe, "engine-host"), Progress: o.Progress})
		if err == nil {
			p.ownerURL, p.readerURL = p.engine.NativeURL(), p.engine.ReaderURL()
		}
		return err
	})
	if o.DemoTargets {
		group.Go(func() (err error) {
			p.apps, err = demoapp.Start(ctx, filepath.Join(o.Data, "targets"))
			return err
		})
	}
	return p, group.Wait()
}

func with(exe []string, arg string) []string { return append(append([]string{}, exe...), arg) }

func (p *parts) openRegistry(dir string) (err error) {
	if p.registry, err = registry.Open(dir); err != nil {
		return err
	}
	l, err := listenAgain(filepath.Join(dir, "port"))
	if err != nil {
		return fmt.Errorf("listen for the registry: %w", err)
	}
	p.server = &http.Server{Handler: p.registry, ReadHeaderTimeout: 5 * time.Second}
	p.registryURL = "http://" + l.Addr().String()
	go p.server.Serve(l) //nolint:errcheck // ends with Close
	return nil
}

// listenAgain listens on the loopback port kept in file if it is free, else on a free one, which it keeps.
func listenAgain(file string) (net.Listener, error) {
	if b, err := os.ReadFile(file); err == nil {
		if l, err := net.Listen("tcp", "127.0.0.1:"+strings.TrimSpace(string(b))); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err == nil {
		err = os.WriteFile(file, []byte(port+"\n"), 0o600)
	}
	return l, err
}

// prepare makes topics, schemas and tables what this version needs.
func prepare(ctx context.Context, p *parts) error {
	var group errgroup.Group
	group.Go(func() error {
		specs, err := topics.Load()
		if err != nil {
			return err
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(p.kafka, ",")...))
		if err != nil {
			return fmt.Errorf("connect to Kafka: %w", err)
		}
		defer client.Close()
		if _, err := topics.Apply(ctx, kadm.NewClient(client), specs); err != nil {
			return fmt.Errorf("apply topics: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		if _, err := registry.Apply(ctx, p.registryURL, false); err != nil {
			return fmt.Errorf("apply schemas: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		conn, err := clickhouse.Connect(ctx, p.ownerURL)
		if err != nil {
			return err
		}
		return errors.Join(evidence.Apply(ctx, conn), conn.Close())
	})
	return group.Wait()
}

// lost says which embedded part has ended by itself.
func (p *parts) lost() <-chan error {
	out := make(chan error, 2)
	watch := func(name string, done <-chan struct{}, err func() error) {
		go func() {
			<-done
			out <- fmt.Errorf("the embedded %s ended: %w", name, err())
		}()
	}
	if p.broker != nil {
		watch("broker", p.broker.Done(), p.broker.Err)
	}
	if p.engine != nil {
		watch("evidence engine", p.engine.Done(), p.engine.Err)
	}
	return out
}

func (p *parts) targetsURL() string {
	if p.apps == nil {
		return ""
	}
	return p.apps.URL()
}

// resolveTarget gives the bundled targets (`demo:chat`) their address and token.
func (p *parts) resolveTarget(_ string, connection map[string]string) map[string]string {
	if !strings.HasPrefix(connection["url"], "demo:") {
		return connection
	}
	url, token, err := p.apps.Resolve(connection["url"])
	if err != nil {
		return connection // the connector says what is wrong with the address
	}
	out := maps.Clone(connection)
	out["url"] = url
	if token != "" {
		out["token"] = token
	}
	return out
}

// close stops everything, the writers before what they write to.
func (p *parts) close() error {
	var errs []error
	if p.apps != nil {
		errs = append(errs, p.apps.Close())
	}
	if p.server != nil {
		errs = append(errs, p.server.Close())
	}
	if p.registry != nil {
		errs = append(errs, p.registry.Close())
	}
	if p.broker != nil {
		errs = append(errs, p.broker.Close())
	}
	if p.engine != nil {
		errs = append(errs, p.engine.Close())
	}
	p.end()
	return errors.Join(errs...)
}

// writeExample puts the example company's folder where it can be read and changed; one that is there is left alone.
func writeExample(data string) (string, error) {
	dir := filepath.Join(data, "config")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.CopyFS(dir+".new", example.Config()); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("write the example configuration: %w", err)
	}
	if err := os.Rename(dir+".new", dir); err != nil {
		return "", fmt.Errorf("write the example configuration: %w", err)
	}
	return dir, nil
}
