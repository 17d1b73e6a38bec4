package evidence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// ErrDamaged is wrapped by the error of an insert that the server acknowledged and yet did not store whole. What was
// stored of it has been removed, so Positions does not show it and it can be inserted again.
var ErrDamaged = errors.New("the server acknowledged an insert that it did not store whole; is the disk full?")

// codeNoSuchPart is ClickHouse's error for a part that a merge has replaced meanwhile.
const codeNoSuchPart = 232

// damage looks for parts that are not what was inserted. The engine as a library does not look at the result of
// write(2): when the disk refuses, it acknowledges a part that is cut off. A server looks, and for it the check costs
// one more reading of what was just written.
//
// Only parts as inserted are checked, each once: a merge reads its sources to the last byte and fails on a damaged one.
type damage struct {
	mu      sync.Mutex
	checked map[string]int64 // per partition, the highest block number that was checked
}

type part struct {
	Name      string `ch:"name"`
	Partition string `ch:"partition_id"`
	Block     int64  `ch:"max_block_number"`
}

// removeDamage checks the parts that appeared since the last call and drops the damaged ones, whose rows nobody was
// told are stored. It returns their names.
func (s *Store) removeDamage(ctx context.Context) ([]string, error) {
	s.damage.mu.Lock()
	defer s.damage.mu.Unlock()
	var parts []part // of one block: as inserted
	err := s.conn.Select(ctx, &parts, `SELECT name, partition_id, max_block_number FROM system.parts
		WHERE database = '`+Database+`' AND table = 'evidence_log' AND active AND min_block_number = max_block_number ORDER BY max_block_number`)
	if err != nil {
		return nil, fmt.Errorf("list new parts: %w", err)
	}
	var dropped []string
	for _, p := range parts {
		if p.Block <= s.damage.checked[p.Partition] {
			continue
		}
		whole, err := s.whole(ctx, p)
		if err != nil {
			return nil, err
		}
		if !whole {
			if err := s.conn.Exec(ctx, "ALTER TABLE "+Database+".evidence_log DROP PART '"+p.Name+"'"); err != nil {
				return nil, fmt.Errorf("drop damaged part %s: %w", p.Name, err)
			}
			dropped = append(dropped, p.Name)
		}
		s.damage.checked[p.Partition] = p.Block
	}
	return dropped, nil
}

func (s *Store) whole(ctx context.Context, p part) (bool, error) {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"check_query_single_value_result": 1}))
	var ok uint8
	err := s.conn.QueryRow(ctx, "CHECK TABLE "+Database+".evidence_log PART '"+p.Name+"'").Scan(&ok)
	if e, isServer := errors.AsType[*driver.Exception](err); isServer && e.Code == codeNoSuchPart {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("check part %s: %w", p.Name, err)
	}
	return ok == 1, nil
}

// confirm makes an acknowledged insert one that is stored.
func (s *Store) confirm(ctx context.Context, rows int) error {
	dropped, err := s.removeDamage(ctx)
	if err != nil {
		return fmt.Errorf("confirm insert of %d rows: %w", rows, err)
	}
	if len(dropped) > 0 {
		return fmt.Errorf("insert %d rows: %w (dropped %s)", rows, ErrDamaged, strings.Join(dropped, ", "))
	}
	return nil
}
