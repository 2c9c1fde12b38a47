package cluster

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBalancerSendsRequestsInTurn(t *testing.T) {
	balancer := httptest.NewServer(Balancer([]string{serve(t, "a"), serve(t, "b")}))
	defer balancer.Close()
	answers := make(map[string]int)
	for range 10 {
		answers[ask(t, balancer.URL)]++
	}
	host := strings.TrimPrefix(balancer.URL, "http://")
	if answers["a "+host] != 5 || answers["b "+host] != 5 {
		t.Errorf("answers: %v, want 5 of a and b for %s", answers, host)
	}
}

func TestBalancerPassesOverAnAddressThatRefuses(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	balancer := httptest.NewServer(Balancer([]string{gone.Listener.Addr().String(), serve(t, "b")}))
	defer balancer.Close()
	for range 4 {
		if got := ask(t, balancer.URL); !strings.HasPrefix(got, "b ") {
			t.Errorf("answer: %q", got)
		}
	}
}

// serve serves the name and the Host header of a request, and returns its address.
func serve(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name+" "+r.Host) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func ask(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return string(body)
}
