package scimserver

import (
	"net/http"
	"strings"

	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/scimserver/resource"
)

func (h *Handler) serviceProviderConfig(_ http.ResponseWriter, r *http.Request) (answer, error) {
	type supported struct {
		Supported bool `json:"supported"`
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"schemas":          []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"documentationUri": "https://www.rfc-editor.org/rfc/rfc7644",
		"patch":            supported{true}, "changePassword": supported{}, "sort": supported{true}, "etag": supported{true},
		"bulk":   map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter": map[string]any{"supported": true, "maxResults": maxCount},
		"authenticationSchemes": []map[string]any{{"type": "oauthbearertoken", "name": "Bearer token", "primary": true,
			"description": "The token of this source in the Authorization header", "specUri": "https://www.rfc-editor.org/rfc/rfc6750"}},
		"meta": metaOf("ServiceProviderConfig", h.base(r)+"/ServiceProviderConfig"),
	}}, nil
}

func metaOf(kind, location string) map[string]string {
	return map[string]string{"resourceType": kind, "location": location}
}

func (h *Handler) describe(r *http.Request, t *resource.Type) map[string]any {
	extensions := []map[string]any{}
	for _, e := range t.Extensions {
		extensions = append(extensions, map[string]any{"schema": e.ID, "required": false})
	}
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": t.Name, "name": t.Name,
		"description": t.Core.Description, "endpoint": t.Endpoint, "schema": t.Core.ID, "schemaExtensions": extensions,
		"meta": metaOf("ResourceType", h.base(r)+"/ResourceTypes/"+t.Name)}
}

func (h *Handler) resourceTypes(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return listed(r, []any{h.describe(r, resource.User), h.describe(r, resource.Group)})
}

func (h *Handler) resourceType(_ http.ResponseWriter, r *http.Request) (answer, error) {
	for _, t := range []*resource.Type{resource.User, resource.Group} {
		if t.Name == r.PathValue("id") {
			return answer{status: http.StatusOK, body: h.describe(r, t)}, nil
		}
	}
	return answer{}, gate.Refuse(http.StatusNotFound, "not_found", "there is no such type of resource")
}

type located struct {
	*resource.Schema
	Meta map[string]string `json:"meta"`
}

func (h *Handler) located(r *http.Request, s *resource.Schema) located {
	return located{s, metaOf("Schema", h.base(r)+"/Schemas/"+s.ID)}
}

func (h *Handler) schemas(_ http.ResponseWriter, r *http.Request) (answer, error) {
	var all []any
	for _, s := range resource.Schemas() {
		all = append(all, h.located(r, s))
	}
	return listed(r, all)
}

func (h *Handler) schema(_ http.ResponseWriter, r *http.Request) (answer, error) {
	for _, s := range resource.Schemas() {
		if strings.EqualFold(s.ID, r.PathValue("id")) {
			return answer{status: http.StatusOK, body: h.located(r, s)}, nil
		}
	}
	return answer{}, gate.Refuse(http.StatusNotFound, "not_found", "there is no such schema")
}

// listed is a list of what cannot be filtered (RFC 7644, 4).
func listed(r *http.Request, all []any) (answer, error) {
	if r.URL.Query().Get("filter") != "" {
		return answer{}, gate.Refuse(http.StatusForbidden, "path", "what describes the service is not filtered")
	}
	return answer{status: http.StatusOK, body: map[string]any{"schemas": []string{listURN}, "totalResults": len(all), "itemsPerPage": len(all),
		"startIndex": 1, "Resources": all}}, nil
}
