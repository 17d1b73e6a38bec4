package engine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// binaryNames are looked for on PATH, in this order.
var binaryNames = [...]string{"clickhouse", "clickhouse-server"}

// oldestMajor is the first yearly version with all that the users and views need (grants on name prefixes).
const oldestMajor = 25

var versionPattern = regexp.MustCompile(`(\d{2,4})\.\d+(\.\d+)*`)

// chooseWay returns the host's arguments for the first way that is open, or an error naming all of them.
func chooseWay(ctx context.Context, o Options) ([]string, error) {
	var why []error
	if o.Setting != SettingLibrary {
		path, err := binaryPath(ctx)
		if err == nil {
			return []string{"--server", path}, nil
		}
		why = append(why, err)
	}
	if o.Setting != SettingBinary {
		path, err := libraryPath(ctx, o.Progress)
		if err == nil {
			return []string{"--library", path}, nil
		}
		why = append(why, err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("look for a ClickHouse engine: %w", errors.Join(why...))
	}
	return nil, unavailable(errors.Join(why...))
}

// binaryPath finds a binary that is new enough: distributions still carry one from 2018.
func binaryPath(ctx context.Context) (string, error) {
	err := errors.New("no clickhouse or clickhouse-server on PATH")
	for _, name := range binaryNames {
		path, lookErr := exec.LookPath(name)
		if lookErr != nil {
			continue
		}
		if err = checkBinary(ctx, path); err == nil {
			return path, nil
		}
	}
	return "", err
}

func checkBinary(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("%s --version does not say a version", path)
	}
	major, _ := strconv.Atoi(string(m[1])) // digits, by the pattern
	if major < oldestMajor {
		return fmt.Errorf("%s is version %s, at least %d.1 is needed", path, m[0], oldestMajor)
	}
	return nil
}

func unavailable(why error) error {
	return fmt.Errorf(`%w:
%w
Evidence needs ClickHouse. Do one of:
  1. give the URL of a server: --clickhouse http://user:password@host:8123 (or clickhouse://host:9000)
  2. install ClickHouse, so that clickhouse is on PATH (any system)
  3. install Node.js with npm (Linux on x86-64 with glibc): the engine is then fetched once, 178 MB, into
     the user's cache folder (JOINERY_CACHE chooses another)`, ErrUnavailable, why)
}
