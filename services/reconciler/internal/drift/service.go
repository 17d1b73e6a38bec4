package drift

import (
	"path"
	"strings"
)

// Service is accounts that programs use: they belong to no person, somebody answers for them, and they are never
// disabled for want of an owner.
type Service struct {
	Accounts  string // names, with * and ? as in path.Match; case does not count
	Owner     string // employee number
	Secondary string // who answers next; empty: nobody
}

func (v Service) covers(account string) bool {
	ok, err := path.Match(strings.ToLower(v.Accounts), strings.ToLower(account))
	return err == nil && ok // the pattern was checked with its file
}

// succession is nothing while the owner is here; else who it was and who answers now: the secondary, the owner's manager
// or nobody, which is for an alert.
func (v Service) succession(answers func(string) (here bool, manager string)) []string {
	here, manager := answers(v.Owner)
	if here {
		return nil
	}
	heir := "nobody"
	switch {
	case v.Secondary != "" && first(answers(v.Secondary)):
		heir = "secondary " + v.Secondary
	case manager != "" && first(answers(manager)):
		heir = "manager " + manager
	}
	return []string{"owner " + v.Owner, heir}
}

func first(here bool, _ string) bool { return here }
