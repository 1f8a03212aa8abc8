package batch

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc/files"
)

// What looks the same is; else the hash decides, or size and time where there is none.
func TestChangedInput(t *testing.T) {
	path := csvFile(t, "a\n1\n")
	now, err := files.Identify(path)
	require.NoError(t, err)
	sum, err := hashFile(context.Background(), path, 0)
	require.NoError(t, err)
	other := append([]byte{sum[0] ^ 1}, sum[1:]...)
	for name, row := range map[string]struct {
		was  func(*files.Identity)
		hash []byte
		want string // "": the same
	}{
		"the same":                  {func(*files.Identity) {}, nil, ""},
		"the same, and hashed":      {func(*files.Identity) {}, other, ""}, // not read again
		"copied":                    {func(id *files.Identity) { id.Inode++; id.ChangeTime++ }, nil, ""},
		"chmod":                     {func(id *files.Identity) { id.ChangeTime++ }, nil, ""},
		"another mount":             {func(id *files.Identity) { id.Device++ }, nil, ""},
		"copied, and hashed":        {func(id *files.Identity) { id.Inode++ }, sum, ""},
		"touched, and hashed":       {func(id *files.Identity) { id.ModTime++ }, sum, ""},
		"edited, its time restored": {func(id *files.Identity) { id.ChangeTime++ }, other, "its content is another"},
		"edited":                    {func(id *files.Identity) { id.ModTime++ }, other, "its content is another"},
		"touched":                   {func(id *files.Identity) { id.ModTime++ }, nil, "no hash of it was taken"},
		"longer":                    {func(id *files.Identity) { id.Size-- }, sum, "size 3 → 4 bytes"},
	} {
		was := now
		row.was(&was)
		s := &store{header: header{Inputs: []input{{path, was}}}, hashes: map[int][]byte{}}
		if row.hash != nil {
			s.hashes[0] = row.hash
		}
		got, err := s.changed(context.Background(), 0, input{path, now})
		require.NoError(t, err)
		if row.want == "" {
			require.Empty(t, got, name)
		} else {
			require.Contains(t, got, row.want, name)
		}
	}
}
