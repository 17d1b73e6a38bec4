package registry

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// entry is a schema in its subject, as the API shows it.
type entry struct {
	Subject string `json:"subject"`
	ID      int    `json:"id"`
	Version int    `json:"version"`
	Schema  string `json:"schema"`
}

func (r *Registry) entry(subject string, v version) entry {
	return entry{Subject: subject, ID: v.id, Version: v.number, Schema: r.text[v.id]}
}

// existing lists the versions of the subject in the path, of which there must be one.
func (r *Registry) existing(req *http.Request, deleted bool) (string, []version, error) {
	subject := req.PathValue("subject")
	list := r.versions(subject, deleted)
	if len(list) == 0 {
		return "", nil, apiError(http.StatusNotFound, codeSubject, "Subject %q not found", subject)
	}
	return subject, list, nil
}

func (r *Registry) getSubjects(req *http.Request) (any, error) {
	out := []string{}
	prefix := req.URL.Query().Get("subjectPrefix")
	for _, subject := range slices.Sorted(maps.Keys(r.subjects)) {
		live := len(r.versions(subject, false)) > 0
		if strings.HasPrefix(subject, prefix) && (live && !flag(req, "deletedOnly") || !live && (flag(req, "deleted") || flag(req, "deletedOnly"))) {
			out = append(out, subject)
		}
	}
	return out, nil
}

func (r *Registry) getSchemas(req *http.Request) (any, error) {
	out := []entry{}
	prefix := req.URL.Query().Get("subjectPrefix")
	for _, subject := range slices.Sorted(maps.Keys(r.subjects)) {
		list := r.versions(subject, flag(req, "deleted"))
		if flag(req, "latestOnly") && len(list) > 1 {
			list = list[len(list)-1:]
		}
		for _, v := range list {
			if strings.HasPrefix(subject, prefix) {
				out = append(out, r.entry(subject, v))
			}
		}
	}
	return out, nil
}

func (r *Registry) getVersions(req *http.Request) (any, error) {
	_, list, err := r.existing(req, flag(req, "deleted") || flag(req, "deletedOnly"))
	if err != nil {
		return nil, err
	}
	out := []int{}
	for _, v := range list {
		if v.deleted || !flag(req, "deletedOnly") {
			out = append(out, v.number)
		}
	}
	return out, nil
}

func (r *Registry) getVersion(req *http.Request) (any, error) {
	subject, list, err := r.existing(req, flag(req, "deleted"))
	if err != nil {
		return nil, err
	}
	v, err := versionIn(req, subject, list)
	if err != nil {
		return nil, err
	}
	return r.entry(subject, v), nil
}

func (r *Registry) getVersionText(req *http.Request) (any, error) {
	found, err := r.getVersion(req)
	if err != nil {
		return nil, err
	}
	return text(found.(entry).Schema), nil
}

func (r *Registry) idIn(req *http.Request) (int, error) {
	id, err := strconv.Atoi(req.PathValue("id"))
	if _, ok := r.text[id]; err != nil || !ok {
		return 0, apiError(http.StatusNotFound, codeSchema, "Schema %s not found", req.PathValue("id"))
	}
	return id, nil
}

func (r *Registry) getID(req *http.Request) (any, error) {
	id, err := r.idIn(req)
	if err != nil {
		return nil, err
	}
	return map[string]string{"schema": r.text[id]}, nil
}

func (r *Registry) getIDText(req *http.Request) (any, error) {
	id, err := r.idIn(req)
	return text(r.text[id]), err
}

func (r *Registry) getIDVersions(req *http.Request) (any, error) {
	id, err := r.idIn(req)
	if err != nil {
		return nil, err
	}
	return r.usages(id, flag(req, "deleted")), nil
}

func (r *Registry) getIDSubjects(req *http.Request) (any, error) {
	id, err := r.idIn(req)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, u := range r.usages(id, flag(req, "deleted")) {
		if !slices.Contains(out, u.Subject) {
			out = append(out, u.Subject)
		}
	}
	return out, nil
}

func (r *Registry) lookUp(req *http.Request) (any, error) {
	p, err := schemaIn(req)
	if err != nil {
		return nil, err
	}
	subject, list, err := r.existing(req, flag(req, "deleted"))
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(list) {
		if v.key == p.key {
			return r.entry(subject, v), nil
		}
	}
	return nil, apiError(http.StatusNotFound, codeSchema, "Schema not found in subject %q", subject)
}

func (r *Registry) register(req *http.Request) (any, error) {
	p, err := schemaIn(req)
	if err != nil {
		return nil, err
	}
	subject := req.PathValue("subject")
	for _, v := range r.versions(subject, false) {
		if v.key == p.key {
			return map[string]int{"id": v.id}, nil
		}
	}
	faults, err := r.level(subject).Check(p.Schema, r.earlier(r.versions(subject, false)))
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, apiError(http.StatusConflict, http.StatusConflict, "Schema being registered is incompatible with an earlier schema for subject %q under %s: %s",
			subject, r.level(subject), strings.Join(faults, "; "))
	}
	id, known := r.idOf(p.key)
	if known {
		p.Schema = r.text[id] // the text of an id never changes, not even in its layout
	} else {
		id = r.lastID + 1
	}
	err = r.commit(change{Op: "register", Subject: subject, Version: r.lastVer[subject] + 1, ID: id, Schema: p.Schema})
	return map[string]int{"id": id}, err
}

func (r *Registry) earlier(list []version) []older {
	out := make([]older, len(list))
	for i, v := range list {
		out[i] = older{version: v.number, text: r.text[v.id]}
	}
	return out
}

func (r *Registry) deleteSubject(req *http.Request) (any, error) {
	subject, list, err := r.existing(req, true)
	if err != nil {
		return nil, err
	}
	permanent := flag(req, "permanent")
	live := r.versions(subject, false)
	switch {
	case permanent && len(live) > 0:
		return nil, apiError(http.StatusNotFound, codeSubjectNotDeleted, "Subject %q was not deleted first before being permanently deleted", subject)
	case !permanent && len(live) == 0:
		return nil, apiError(http.StatusNotFound, codeSubjectDeleted, "Subject %q was soft deleted. Set permanent=true to delete permanently", subject)
	case !permanent:
		list = live
	}
	numbers := make([]int, len(list))
	changes := make([]change, len(list))
	for i, v := range list {
		numbers[i] = v.number
		changes[i] = change{Op: "delete", Subject: subject, Version: v.number, Permanent: permanent}
	}
	return numbers, r.commit(changes...)
}

func (r *Registry) deleteVersion(req *http.Request) (any, error) {
	permanent := flag(req, "permanent")
	subject, list, err := r.existing(req, true)
	if err != nil {
		return nil, err
	}
	v, err := versionIn(req, subject, list)
	switch {
	case err != nil:
		return nil, err
	case permanent && !v.deleted:
		return nil, apiError(http.StatusNotFound, codeVersionNotDeleted, "Subject %q Version %d was not deleted first before being permanently deleted", subject, v.number)
	case !permanent && v.deleted:
		return nil, apiError(http.StatusNotFound, codeVersionDeleted, "Subject %q Version %d was soft deleted. Set permanent=true to delete permanently", subject, v.number)
	}
	return v.number, r.commit(change{Op: "delete", Subject: subject, Version: v.number, Permanent: permanent})
}

// verdict is the answer of a compatibility check.
type verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

func (r *Registry) checkAgainstAll(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	return r.check(req, subject, r.versions(subject, false))
}

func (r *Registry) checkAgainstOne(req *http.Request) (any, error) {
	subject, list, err := r.existing(req, false)
	if err != nil {
		return nil, err
	}
	v, err := versionIn(req, subject, list)
	if err != nil {
		return nil, err
	}
	return r.check(req, subject, []version{v})
}

func (r *Registry) check(req *http.Request, subject string, against []version) (any, error) {
	p, err := schemaIn(req)
	if err != nil {
		return nil, err
	}
	faults, err := r.level(subject).Check(p.Schema, r.earlier(against))
	if err != nil {
		return nil, err
	}
	out := verdict{Compatible: len(faults) == 0}
	if flag(req, "verbose") {
		out.Messages = faults
	}
	return out, nil
}

// getLevel answers for a subject without a level of its own only when asked to fall back to the global one.
func (r *Registry) getLevel(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	if _, ok := r.levels[subject]; !ok && subject != "" && !flag(req, "defaultToGlobal") {
		return nil, apiError(http.StatusNotFound, codeNoLevel, "Subject %q does not have subject-level compatibility configured", subject)
	}
	return map[string]Level{"compatibilityLevel": r.level(subject)}, nil
}

func (r *Registry) putLevel(req *http.Request) (any, error) {
	var body struct {
		Compatibility string `json:"compatibility"`
	}
	if err := bodyIn(req, &body); err != nil {
		return nil, err
	}
	level, err := ParseLevel(body.Compatibility)
	if err != nil {
		return nil, apiError(http.StatusUnprocessableEntity, codeInvalidLevel, "%v", err)
	}
	return map[string]Level{"compatibility": level}, r.commit(change{Op: "level", Subject: req.PathValue("subject"), Level: level})
}

func (r *Registry) deleteLevel(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	if _, ok := r.levels[subject]; !ok && subject != "" {
		return nil, apiError(http.StatusNotFound, codeNoLevel, "Subject %q does not have subject-level compatibility configured", subject)
	}
	was := r.level(subject)
	return map[string]Level{"compatibility": was}, r.commit(change{Op: "level", Subject: subject})
}
