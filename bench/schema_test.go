package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A schema is as much of JSON Schema as testdata/report.schema.json needs.
type schema struct {
	Schema, Title, Description string
	Type                       any // a name or a list of names
	Const                      any
	Enum                       []any
	Minimum                    *float64
	Items                      *schema
	Properties                 map[string]*schema
	Required                   []string
	AdditionalProperties       *bool
	Ref                        string             `json:"$ref"`
	SchemaURL                  string             `json:"$schema"`
	Defs                       map[string]*schema `json:"$defs"`
}

func reportSchema(t *testing.T) *schema {
	t.Helper()
	b, err := os.ReadFile("testdata/report.schema.json")
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a word that the checker does not know
	var s schema
	require.NoError(t, d.Decode(&s))
	return &s
}

// faults says where v is not what s describes. defs are those of the whole document.
func (s *schema) faults(defs map[string]*schema, at string, v any) (wrong []string) {
	fault := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	if s.Ref != "" {
		return defs[strings.TrimPrefix(s.Ref, "#/$defs/")].faults(defs, at, v)
	}
	if s.Const != nil && s.Const != v || s.Enum != nil && !slices.Contains(s.Enum, v) {
		fault("%v, expected %v", v, append(s.Enum, s.Const))
	}
	is := typesOf(v)
	switch want := s.Type.(type) {
	case string:
		if !slices.Contains(is, want) {
			fault("%v is no %s", v, want)
		}
	case []any:
		if !slices.ContainsFunc(want, func(w any) bool { return slices.Contains(is, w.(string)) }) {
			fault("%v is none of %v", v, want)
		}
	}
	switch v := v.(type) {
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			fault("%v, expected %v or more", v, *s.Minimum)
		}
	case []any:
		for i, x := range v {
			if s.Items != nil {
				wrong = append(wrong, s.Items.faults(defs, fmt.Sprintf("%s[%d]", at, i), x)...)
			}
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				fault("%s is missing", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if p := s.Properties[name]; p != nil {
				wrong = append(wrong, p.faults(defs, at+"."+name, v[name])...)
			} else if s.AdditionalProperties != nil && !*s.AdditionalProperties {
				fault("%s is unknown", name)
			}
		}
	}
	return wrong
}

func typesOf(v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{"null"}
	case bool:
		return []string{"boolean"}
	case string:
		return []string{"string"}
	case []any:
		return []string{"array"}
	case map[string]any:
		return []string{"object"}
	case float64:
		if v == math.Trunc(v) {
			return []string{"number", "integer"}
		}
	}
	return []string{"number"}
}

// requireSchema writes a report as JSON and holds that against the schema.
func requireSchema(t *testing.T, r *Report) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	var v any
	require.NoError(t, json.Unmarshal(b.Bytes(), &v))
	s := reportSchema(t)
	require.Empty(t, s.faults(s.Defs, "report", v), "%s", b.String())
}

func TestSchemaRefuses(t *testing.T) {
	s := reportSchema(t)
	for change, want := range map[string]string{
		`"version": 1`:              "report.version: 1, expected",
		`"verdicts": null`:          "report.verdicts: <nil> is no array",
		`"verdicts": [1]`:           "report.verdicts[0]: 1 is no string",
		`"surprise": 1`:             "report: surprise is unknown",
		`"payload": {}`:             "report.payload: name is missing",
		`"pairs": [{"ratio": -1}]`:  "report.pairs[0].ratio: -1, expected 0 or more",
		`"losing": [{"bytes":1.5}]`: "report.losing[0].bytes: 1.5 is no integer",
	} {
		var b bytes.Buffer
		require.NoError(t, sampleReport().WriteJSON(&b))
		var v any
		require.NoError(t, json.Unmarshal(b.Bytes(), &v))
		require.NoError(t, json.Unmarshal([]byte("{"+change+"}"), &v))
		require.Contains(t, strings.Join(s.faults(s.Defs, "report", v), "\n"), want, change)
	}
}
