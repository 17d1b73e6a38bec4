package drift

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/pack"
)

// A row in the changelog is bytes of our own: there is one for every account, and a sweep reads them all. What stands
// open, of which there is little, is JSON within.
const codecVersion = 1

const (
	rowBusy = 1 << iota
	rowWanted
)

// AppendBinary implements encoding.BinaryAppender.
func (r Row) AppendBinary(b []byte) ([]byte, error) {
	var flags byte
	if r.Busy {
		flags |= rowBusy
	}
	if r.Want != nil {
		flags |= rowWanted
	}
	b = binary.AppendVarint(append(b, codecVersion, flags), r.Applied)
	b = binary.AppendVarint(b, r.Refused)
	for _, text := range [...]string{r.Account, r.RemoteID, string(r.State)} {
		b = pack.AppendText(b, text)
	}
	b = pack.AppendTime(b, r.Touched)
	var open []byte
	if len(r.Open) > 0 {
		var err error
		if open, err = json.Marshal(r.Open); err != nil {
			return nil, fmt.Errorf("write drift that stands: %w", err)
		}
	}
	b = pack.AppendText(b, string(open))
	if r.Want != nil {
		b = r.Want.append(b)
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (r *Row) UnmarshalBinary(b []byte) error {
	p := pack.NewReader(b)
	if version := p.Byte(); version != codecVersion {
		return fmt.Errorf("read row of version %d: this reconciler writes version %d", version, codecVersion)
	}
	flags := p.Byte()
	*r = Row{Busy: flags&rowBusy != 0, Applied: p.Varint(), Refused: p.Varint(), Account: p.Text(), RemoteID: p.Text(),
		State: event.AccountState(p.Text()), Touched: p.Time()}
	if open := p.Text(); open != "" {
		if err := json.Unmarshal([]byte(open), &r.Open); err != nil {
			return fmt.Errorf("read drift that stands: %w", err)
		}
	}
	if flags&rowWanted != 0 {
		r.Want = readWant(p)
	}
	if err := p.End(); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	return nil
}

func (w *Want) append(b []byte) []byte {
	b = binary.AppendVarint(b, w.Version)
	for _, text := range [...]string{string(w.IdentityID), w.Target, string(w.State), w.AccountName, w.Policy} {
		b = pack.AppendText(b, text)
	}
	b = pack.AppendMap(b, w.Attributes)
	return pack.AppendTexts(pack.AppendTexts(b, w.Entitlements), w.Kinds)
}

func readWant(p *pack.Reader) *Want {
	return &Want{Version: p.Varint(), IdentityID: event.IdentityID(p.Text()), Target: p.Text(), State: event.AccountState(p.Text()), AccountName: p.Text(),
		Policy: p.Text(), Attributes: p.Map(), Entitlements: p.Texts(), Kinds: p.Texts()}
}
