package runbooks

import (
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
)

func TestADataSourceHasNoWayToOtherSecretsOrPlaces(t *testing.T) {
	t.Parallel()
	f := func(spec, want string) {
		t.Helper()
		text := "apiVersion: nines/v1\nkind: DataSource\nmetadata: {name: a}\nspec: {" + spec + "}\n"
		docs, problems := manifest.Read(manifest.File{Name: "a.yaml", Text: text})
		if len(docs) != 1 {
			t.Fatalf("%s: %v", spec, problems)
		}
		_, problems = ReadSource(docs[0])
		var said []string
		for _, p := range problems {
			said = append(said, p.Field+": "+p.Message)
		}
		if all := strings.Join(said, "\n"); (want == "") != (all == "") || !strings.Contains(all, want) {
			t.Errorf("%s: %q, want %q", spec, all, want)
		}
	}
	const db = "type: postgres, url: 'postgres://reader@db.example:5432/shop"
	f(db+"'", "")
	f(db+"?sslmode=verify-full&sslrootcert=ca.pem&connect_timeout=3', tokenFile: shop/password", "")
	f("type: http, url: 'https://api.example/v1', tokenEnv: NINES_RUNBOOK_API", "")
	f("type: http, url: 'https://api.example/v1', tokenEnv: NINES_DATABASE_URL", "NINES_RUNBOOK_")
	f("type: http, url: 'https://api.example/v1', tokenEnv: AWS_SECRET_ACCESS_KEY", "NINES_RUNBOOK_")
	f("type: http, url: 'https://api.example/v1', tokenFile: /etc/shadow", "folder of secrets")
	f("type: http, url: 'https://api.example/v1', tokenFile: ../cli-token", "folder of secrets")
	f("type: http, url: 'https://a:b@api.example'", "holds a user")
	f("type: http, url: 'file:///etc/passwd'", "begins with http")
	f("type: http, url: 'https://api.example?x=1'", "query")
	f(db+"?sslrootcert=/etc/shadow'", "sslrootcert")
	f(db+"?sslrootcert=../x'", "sslrootcert")
	for _, parameter := range []string{"options=-c%20x%3Dy", "host=169.254.169.254", "hostaddr=127.0.0.1", "service=x", "servicefile=/x", "passfile=/x", "sslkey=/x",
		"sslcert=/x", "PASSFILE=/x", "default_transaction_read_only=off", "role=postgres", "search_path=x", "port=1"} {
		f(db+"?"+parameter+"'", "has the parameter")
	}
	f(db+"?sslmode=disable&sslmode=require'", "twice")
	f(db+"?password=x'", "password")
	f("type: postgres, url: 'postgres://reader:secret@db.example/shop'", "password")
	f("type: postgres, url: 'postgres:///shop?host=/var/run/postgresql'", "begins with postgres")
	f("type: postgres, url: 'postgres://db.example/shop'", "user and a database")
	f("type: postgres, url: 'postgres://reader@db.example'", "user and a database")
	f("type: postgres, url: 'postgres://reader@%2Fvar%2Frun/shop'", "begins with postgres")
}
