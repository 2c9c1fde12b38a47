package middleware_test

import (
	"net/http"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestSessionsListsTheDevicesOfTheUser(t *testing.T) { // S36
	f := setUp(t, sessile.Config{}, middleware.Options{})
	laptop, phone, stranger := f.browser(), f.browser(), f.login("bob")
	laptop.header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
	phone.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	laptop.login("alice")
	phone.login("alice")

	var list []middleware.Device
	phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		var err error
		list, err = h.Devices(r.Context())
		f.must(err)
	})
	if len(list) != 2 {
		t.Fatalf("%d devices", len(list))
	}
	f.want(list[0].DeviceName+"/"+list[0].DeviceType, "Safari on iPhone/mobile")
	f.want(list[0].Current, true)
	f.want(list[1].DeviceName+"/"+list[1].DeviceType, "Firefox on Windows/desktop")
	f.want(list[1].Current, false)
	f.want(list[1].IPAddress, "192.0.2.1")

	foreign := stranger.session().ID()
	phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		unknown := h.Revoke(r.Context(), sessile.ID{1, 2, 3})
		others := h.Revoke(r.Context(), foreign) // A15: the same answer, and nothing happens
		f.wantErr(unknown, sessile.ErrNotFound)
		f.wantErr(others, sessile.ErrNotFound)
		f.must(h.Revoke(r.Context(), list[1].ID))
	})
	f.want(laptop.user(), "")
	f.want(stranger.user(), "bob")
	resp := phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Revoke(r.Context(), list[0].ID))
	})
	f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
}

func TestDoneClosesForAStreamWhenTheSessionEnds(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b, other := f.login("alice"), f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		done := h.Done(r.Context())
		select {
		case <-done:
			t.Error("it has ended already")
		default:
		}
		other.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			_, err := h.LogoutOthers(r.Context())
			f.must(err)
		})
		<-done
	})
}

func TestSessionsHaveDeviceNames(t *testing.T) { // for example "Firefox on Windows"
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for agent, want := range map[string]string{firefox: "Firefox on Linux desktop", safari: "Safari on iPhone mobile", "": "Unknown device "} {
		b := f.browser().as(agent, "")
		b.login("alice")
		s := b.session()
		f.want(s.DeviceName()+" "+s.DeviceType(), want)
	}
}
