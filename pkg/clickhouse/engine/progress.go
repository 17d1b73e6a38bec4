package engine

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// meter tells people about something long: a bar on a terminal, one line elsewhere, nothing to a nil writer.
type meter struct {
	w        io.Writer
	terminal bool
}

const (
	redrawEvery = 200 * time.Millisecond
	barWidth    = 30
)

func newMeter(w io.Writer) *meter {
	if w == nil {
		w = io.Discard
	}
	f, isFile := w.(*os.File)
	return &meter{w: w, terminal: isFile && isatty.IsTerminal(f.Fd())}
}

// watch shows how far `done` has come until the function it returns is called, which waits for the last drawing.
// Failing to draw is nobody's concern, so errors of writing are dropped here.
func (m *meter) watch(what string, total int64, done func() int64) (stop func()) {
	if !m.terminal {
		fmt.Fprintf(m.w, "%s: %d MB\n", what, total>>20)
		return func() {}
	}
	quit, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		for {
			fmt.Fprint(m.w, bar(what, done(), total))
			select {
			case <-tick.C:
			case <-quit:
				fmt.Fprint(m.w, bar(what, done(), total), "\n")
				return
			}
		}
	}()
	return func() { close(quit); <-finished }
}

func bar(what string, done, total int64) string {
	done = min(done, total)
	full := int(done * barWidth / total)
	return fmt.Sprintf("\r%s [%s%s] %d of %d MB", what, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done>>20, total>>20)
}
