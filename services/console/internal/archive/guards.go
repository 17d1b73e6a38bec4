package archive

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// Guards implements desk.Archive. A trip is what has its id as exception_id.
func (a *Archive) Guards(ctx context.Context, id string) ([]desk.Guard, error) {
	var rows []struct {
		ID        string      `ch:"id"`
		Guard     string      `ch:"guard"`
		Target    string      `ch:"of"`
		Message   string      `ch:"said"`
		Policy    string      `ch:"under"`
		Held      uint64      `ch:"held"`
		Tripped   time.Time   `ch:"tripped"`
		Decided   time.Time   `ch:"decided"`
		Released  uint64      `ch:"released"`
		Cancelled uint64      `ch:"cancelled"`
		Actors    []string    `ch:"actors"`
		Words     []string    `ch:"words"`
		Times     []time.Time `ch:"times"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"id": id}), &rows, `
		SELECT id, any(reason) AS guard, anyIf(target, kind = 'guard.tripped') AS of, anyIf(message, kind = 'guard.tripped') AS said,
			any(policy) AS under, uniqExactIf((identity_id, target, account), kind = 'provision.held') AS held,
			minIf(occurred_at, kind IN ('guard.tripped', 'provision.held')) AS tripped, maxIf(occurred_at, kind IN ('guard.released', 'guard.cancelled')) AS decided,
			countIf(kind = 'guard.released') AS released, countIf(kind = 'guard.cancelled') AS cancelled,
			groupArrayIf(actor, counts) AS actors, groupArrayIf(message, counts) AS words, groupArrayIf(occurred_at, counts) AS times
		FROM (SELECT *, JSONExtractString(payload, 'exception_id') AS id, kind = 'guard.voted' AND outcome IN ('counted', 'decisive') AS counts
			FROM joinery.evidence WHERE src_topic = 'jml.provision.event.v1' AND (startsWith(kind, 'guard.') OR kind = 'provision.held'))
		WHERE id != '' AND ({id:String} = '' OR id = {id:String})
		GROUP BY id ORDER BY tripped DESC, id`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Guard, len(rows))
	for i, r := range rows {
		g := desk.Guard{ID: r.ID, Guard: r.Guard, Target: r.Target, State: desk.GuardHolding, Held: int64(r.Held), Message: r.Message, Policy: r.Policy,
			TrippedAt: moment(r.Tripped), DecidedAt: moment(r.Decided), Votes: []desk.GuardVote{}}
		switch {
		case r.Released > 0:
			g.State = desk.GuardReleased
		case r.Cancelled > 0:
			g.State = desk.GuardCancelled
		}
		for j, actor := range r.Actors {
			kind, reason, _ := strings.Cut(r.Words[j], ": ")
			g.Votes = append(g.Votes, desk.GuardVote{Kind: kind, Reason: reason, Actor: desk.Named{ID: event.IdentityID(actor)}, At: moment(r.Times[j])})
		}
		slices.SortFunc(g.Votes, func(a, b desk.GuardVote) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Actor.ID, b.Actor.ID))
		})
		out[i] = g
	}
	return out, nil
}
