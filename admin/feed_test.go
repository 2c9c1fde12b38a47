package admin

import (
	"strconv"
	"testing"

	"github.com/sessile/sessile"
)

func observe(f *Feed, n int) {
	for i := range n {
		f.Observe(sessile.Event{UserID: strconv.Itoa(i)})
	}
}

func TestFeedKeepsTheLastEventsAndCountsTheOthers(t *testing.T) {
	f := new(Feed)
	observe(f, feedSize+10)
	events, dropped, _ := f.since(0, feedSize)
	if dropped != 10 || len(events) != feedSize || events[0].UserID != "10" || events[feedSize-1].UserID != strconv.Itoa(feedSize+9) {
		t.Errorf("%d dropped, %d kept, from %v", dropped, len(events), events[0].UserID)
	}
	if events, dropped, _ := f.since(12, 2); dropped != 0 || len(events) != 2 || events[1].UserID != "13" {
		t.Errorf("from 12: %d dropped, %v", dropped, events)
	}
	if len(f.ring) != feedSize || cap(f.ring) > 2*feedSize {
		t.Errorf("the ring has %d of %d", len(f.ring), cap(f.ring))
	}
}

func TestFeedTellsWhenTheNextEventComes(t *testing.T) {
	f := new(Feed)
	_, _, changed := f.since(0, 1)
	select {
	case <-changed:
		t.Fatal("there was no event")
	default:
	}
	observe(f, 1)
	<-changed
	if events, _, _ := f.since(0, 5); len(events) != 1 {
		t.Errorf("%v", events)
	}
}
