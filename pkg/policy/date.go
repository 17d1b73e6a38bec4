package policy

import (
	"math"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// dateFunction is date(), for maps of sources: what foreign systems call a day, as `2026-03-02`.
//
//	date(record.birth)                    days since 1970, as Debezium has them, or a time
//	date(record.start, "DD.MM.YYYY")      text, written as the pattern says
//
// null and an empty text stay absent: date(null) is null.
func dateFunction() cel.EnvOption {
	return cel.Function("date",
		cel.Overload("date_dyn", []*cel.Type{cel.DynType}, cel.DynType, cel.UnaryBinding(dateOf)),
		cel.Overload("date_dyn_string", []*cel.Type{cel.DynType, cel.StringType}, cel.DynType, cel.BinaryBinding(dateWritten)))
}

func dateOf(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.Null:
		return v
	case types.Int:
		if v < -719_162 || v > 2_932_896 { // the years 1 to 9999
			return types.NewErr("date: not a number of days since 1970")
		}
		return types.String(time.Unix(0, 0).UTC().AddDate(0, 0, int(v)).Format(time.DateOnly))
	case types.Double:
		if f := float64(v); f == math.Trunc(f) && math.Abs(f) < 1<<31 {
			return dateOf(types.Int(f))
		}
	case types.Timestamp:
		return types.String(v.UTC().Format(time.DateOnly))
	case types.String:
		for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
			if t, err := time.Parse(layout, string(v)); err == nil {
				return types.String(t.Format(time.DateOnly))
			}
		}
		if v == "" {
			return types.NullValue
		}
	}
	return types.NewErr("date: not a day, a time, or days since 1970; for text in another form give the form, such as \"DD.MM.YYYY\"")
}

// datePatterns turn the pattern into a layout of package time.
var datePatterns = strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "M", "1", "D", "2")

func dateWritten(v, pattern ref.Val) ref.Val {
	if v.Type() == types.NullType || v == types.String("") {
		return types.NullValue
	}
	text, ok := v.(types.String)
	if !ok {
		return types.NewErr("date: only text has a form")
	}
	t, err := time.Parse(datePatterns.Replace(string(pattern.(types.String))), string(text))
	if err != nil {
		return types.NewErr("date: the text is not a day of this form")
	}
	return types.String(t.Format(time.DateOnly))
}
