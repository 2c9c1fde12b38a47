package sessile_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist/persisttest"
)

// This file is the index of the behaviour suite: one test per rule of the store's contract. Package
// internal/behaviour has the cases. Each runs over SQLite and over the reference backend, alone and shared, with a hot set
// of one session, a large one, other sizes of batches, and a store that is opened again before every call.

func TestCreateChecksLifetimes(t *testing.T) { suite(t, behaviour.CreateChecksLifetimes) }
func TestCreateDoesNotCountTheReplacedSessionTowardTheLimit(t *testing.T) {
	suite(t, behaviour.CreateDoesNotCountTheReplacedSessionTowardTheLimit)
}
func TestCreateRefusesHostileDataBeforeAnythingIsQueued(t *testing.T) {
	suite(t, behaviour.CreateRefusesHostileDataBeforeAnythingIsQueued)
}
func TestCreateReplacesOnlyASessionOfTheSameUser(t *testing.T) {
	suite(t, behaviour.CreateReplacesOnlyASessionOfTheSameUser)
}
func TestCreateReturnsASessionThatItsTokenOpens(t *testing.T) {
	suite(t, behaviour.CreateReturnsASessionThatItsTokenOpens)
}
func TestCreateWithNilDataStoresAnEmptyObject(t *testing.T) {
	suite(t, behaviour.CreateWithNilDataStoresAnEmptyObject)
}

func TestSessionStaysAsItWasRead(t *testing.T) { suite(t, behaviour.SessionStaysAsItWasRead) }

func TestLookupAfterCloseIsRefused(t *testing.T) { suite(t, behaviour.LookupAfterCloseIsRefused) }
func TestLookupFindsWhatReadByTokenFinds(t *testing.T) {
	suite(t, behaviour.LookupFindsWhatReadByTokenFinds)
}
func TestLookupThatFindsNothingSaysWhy(t *testing.T) {
	suite(t, behaviour.LookupThatFindsNothingSaysWhy)
}

func TestReadByTokenOfAnUnknownTokenIsErrNotFound(t *testing.T) {
	suite(t, behaviour.ReadByTokenOfAnUnknownTokenIsErrNotFound)
}
func TestReadByTokenRefusesASessionThatWasSeenExpired(t *testing.T) {
	suite(t, behaviour.ReadByTokenRefusesASessionThatWasSeenExpired)
}
func TestReadByTokenRefusesExpiredSessionsExactly(t *testing.T) {
	suite(t, behaviour.ReadByTokenRefusesExpiredSessionsExactly)
}
func TestReadFindsExpiredSessions(t *testing.T) { suite(t, behaviour.ReadFindsExpiredSessions) }

func TestListIsOrderedAndShowsUnwrittenChanges(t *testing.T) {
	suite(t, behaviour.ListIsOrderedAndShowsUnwrittenChanges)
}
func TestListLeavesOutExpiredAndDestroyed(t *testing.T) {
	suite(t, behaviour.ListLeavesOutExpiredAndDestroyed)
}

func TestSearchLeavesOutDestroyedAndExpired(t *testing.T) {
	suite(t, behaviour.SearchLeavesOutDestroyedAndExpired)
}
func TestSearchPagesThroughEverySession(t *testing.T) {
	suite(t, behaviour.SearchPagesThroughEverySession)
}
func TestSearchRefusesWhatIsNoQuery(t *testing.T) { suite(t, behaviour.SearchRefusesWhatIsNoQuery) }
func TestSearchSelectsByUserAddressAndDevice(t *testing.T) {
	suite(t, behaviour.SearchSelectsByUserAddressAndDevice)
}
func TestSearchShowsUnwrittenAccessesAndIsNone(t *testing.T) {
	suite(t, behaviour.SearchShowsUnwrittenAccessesAndIsNone)
}
func TestCountIncludesExpiredSessions(t *testing.T) {
	suite(t, behaviour.CountIncludesExpiredSessions)
}

func TestUpdateAllForUserChangesEverySessionOfTheUser(t *testing.T) {
	suite(t, behaviour.UpdateAllForUserChangesEverySessionOfTheUser)
}
func TestUpdateAllForUserChangesTheOthersIfOneCannot(t *testing.T) {
	suite(t, behaviour.UpdateAllForUserChangesTheOthersIfOneCannot)
}
func TestUpdateChangesSingleKeysAndCountsAsAccess(t *testing.T) {
	suite(t, behaviour.UpdateChangesSingleKeysAndCountsAsAccess)
}
func TestUpdateDoesNotReviveExpiredSessions(t *testing.T) {
	suite(t, behaviour.UpdateDoesNotReviveExpiredSessions)
}

func TestTouchDoesNotExtendTheAbsoluteDeadline(t *testing.T) {
	suite(t, behaviour.TouchDoesNotExtendTheAbsoluteDeadline)
}
func TestTouchNeverMovesTheLastActivityBack(t *testing.T) {
	suite(t, behaviour.TouchNeverMovesTheLastActivityBack)
}

func TestFlushDoesNotReviveADestroyedSession(t *testing.T) {
	suite(t, behaviour.FlushDoesNotReviveADestroyedSession)
}
func TestFlushReplacesDataAndTimes(t *testing.T) { suite(t, behaviour.FlushReplacesDataAndTimes) }

func TestDataOfAnyDepthThatIsAcceptedCanBeRead(t *testing.T) {
	suite(t, behaviour.DataOfAnyDepthThatIsAcceptedCanBeRead)
}

func TestRotateGraceEndsAfterTheNewTokenWasSeen(t *testing.T) {
	suite(t, behaviour.RotateGraceEndsAfterTheNewTokenWasSeen)
}
func TestRotateReplacesASuccessorThatWasNotSeenForAMinute(t *testing.T) {
	suite(t, behaviour.RotateReplacesASuccessorThatWasNotSeenForAMinute)
}
func TestRotateReplacesTheTokenAndNothingElse(t *testing.T) {
	suite(t, behaviour.RotateReplacesTheTokenAndNothingElse)
}

func TestLimitDoesNotCountExpiredSessions(t *testing.T) {
	suite(t, behaviour.LimitDoesNotCountExpiredSessions)
}
func TestLimitEvictsTheLeastRecentlyActive(t *testing.T) {
	suite(t, behaviour.LimitEvictsTheLeastRecentlyActive)
}
func TestLimitNeverEvictsTheNewSession(t *testing.T) {
	suite(t, behaviour.LimitNeverEvictsTheNewSession)
}

func TestGuestsHaveNoUserAndAreCapped(t *testing.T) { suite(t, behaviour.GuestsHaveNoUserAndAreCapped) }

func TestAPITokensEndWithTheSessionsOfTheirUser(t *testing.T) {
	suite(t, behaviour.APITokensEndWithTheSessionsOfTheirUser)
}
func TestAPITokensHaveALimitOfTheirOwn(t *testing.T) {
	suite(t, behaviour.APITokensHaveALimitOfTheirOwn)
}

func TestRememberStaysWithTheSession(t *testing.T) { suite(t, behaviour.RememberStaysWithTheSession) }

func TestDestroyAllEndsSessionsOfUsersAndGuests(t *testing.T) {
	suite(t, behaviour.DestroyAllEndsSessionsOfUsersAndGuests)
}
func TestDestroyAllExceptAWrongIDDestroysNothing(t *testing.T) {
	suite(t, behaviour.DestroyAllExceptAWrongIDDestroysNothing)
}
func TestDestroyAllExceptKeepsOne(t *testing.T) { suite(t, behaviour.DestroyAllExceptKeepsOne) }
func TestDestroyAllForUserCountsAndSparesOthers(t *testing.T) {
	suite(t, behaviour.DestroyAllForUserCountsAndSparesOthers)
}
func TestDestroyForUserRefusesForeignSessions(t *testing.T) {
	suite(t, behaviour.DestroyForUserRefusesForeignSessions)
}
func TestDestroyIsFinalAndIdempotent(t *testing.T) { suite(t, behaviour.DestroyIsFinalAndIdempotent) }

func TestDoneClosesWhenTheSessionEnds(t *testing.T) { suite(t, behaviour.DoneClosesWhenTheSessionEnds) }

func TestCleanupDeletesExpiredSessionsAndNothingElse(t *testing.T) {
	suite(t, behaviour.CleanupDeletesExpiredSessionsAndNothingElse)
}

func TestCloseIsIdempotentAndFinal(t *testing.T) { suite(t, behaviour.CloseIsIdempotentAndFinal) }

func TestStatsAndHealthReportTheState(t *testing.T) { suite(t, behaviour.StatsAndHealthReportTheState) }

// TestStoreTestsAreEveryCase: the lines above, the functions of package behaviour and its list of cases
// are the same.
func TestStoreTestsAreEveryCase(t *testing.T) {
	var listed []string
	for _, c := range behaviour.Cases() {
		listed = append(listed, c.Name)
	}
	var lines []string
	for _, m := range matches(t, "store_test.go", `func Test(\w+)\(t \*testing\.T\) *{\s+suite\(t, behaviour\.(\w+)\)\s+}`) {
		if m[1] != m[2] {
			t.Errorf("Test%s runs the case %s", m[1], m[2])
		}
		lines = append(lines, m[2])
	}
	var functions []string
	for _, m := range matches(t, "internal/behaviour/*.go", `(?m)^func ([A-Z]\w*)\(f \*Fixture\) \{$`) {
		functions = append(functions, m[1])
	}
	for _, l := range [][]string{listed, lines, functions} {
		slices.Sort(l)
	}
	if !slices.Equal(listed, functions) {
		t.Errorf("behaviour.Cases lists\n%s\nand the package has\n%s", listed, functions)
	}
	if !slices.Equal(listed, lines) {
		t.Errorf("behaviour.Cases lists\n%s\nand the tests run\n%s", listed, lines)
	}
}

// matches finds a pattern in files.
func matches(t *testing.T, files, pattern string) (found [][]string) {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)...)
	}
	return found
}

// suite runs a case over the backends of this module.
func suite(t *testing.T, run func(f *behaviour.Fixture)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { behaviour.RunCase(t, overFile, run) })
	t.Run("memory", func(t *testing.T) { behaviour.RunCase(t, overMemory, run) })
	t.Run("shared", func(t *testing.T) { behaviour.RunCase(t, overShared, run) })
}

// overFile makes a backend of a SQLite file.
func overFile(t *testing.T) behaviour.Backend {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	return behaviour.Backend{Open: func(cfg sessile.Config) (*sessile.Store, error) {
		cfg.Path = path
		return sessile.Open(t.Context(), cfg)
	}}
}

// overMemory makes a reference backend.
func overMemory(t *testing.T) behaviour.Backend {
	t.Helper()
	m := persisttest.NewMemory()
	return behaviour.Backend{Open: func(cfg sessile.Config) (*sessile.Store, error) { return sessile.New(m, cfg) }}
}

// overShared makes a reference backend that other nodes may use too.
func overShared(t *testing.T) behaviour.Backend {
	t.Helper()
	m := persisttest.NewShared(1)[0]
	return behaviour.Backend{
		Open: func(cfg sessile.Config) (*sessile.Store, error) {
			store, err := sessile.New(m, cfg)
			for err == nil && store.Health().State != sessile.HealthOK { // until the lease begins
				runtime.Gosched()
			}
			return store, err
		},
		SetClock: m.SetClock,
	}
}
