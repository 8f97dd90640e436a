/*
 * Liveness of the protocol of settlement.pml: once faults stop, every job ends, every nonce that was given out is used, and
 * what the chain has done stays what the jobs say. docs/testing.md says what is proven, and how to check it.
 *
 * Here a node has a pool, which it may lose, and mines only from there; the price of gas may rise above what a transaction
 * offers; and every process that can take a step takes one some time. An ack that does not come brings a job back, so that
 * a job's deliveries are one process, whichever executors they go to.
 */
#ifndef JOBS
#define JOBS 1
#endif
/* The parts of a job, each of which is one call. */
#ifndef PARTS
#define PARTS 1
#endif
/* Crashes, losses of the pool, late news, and a rise of the price, in all. */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef FOREIGN
#define FOREIGN 1
#endif
#ifndef REVERTS
#define REVERTS 0
#endif
/* How often the chain takes back what it mined last. Executors wait for one confirmation only. */
#ifndef REORGANISATIONS
#define REORGANISATIONS 0
#endif
/* Whether jobs have a deadline, at which they are cancelled. Without one only keepers help. */
#ifndef DEADLINE
#define DEADLINE 0
#endif
#ifndef MUTANT
#define MUTANT 0
#endif
#define SENDS_NOTHING_AGAIN (MUTANT == 1)
#define RAISES_NOTHING (MUTANT == 2)
#define FILLS_NOTHING (MUTANT == 3)
#define IS_NOT_DELIVERED_AGAIN (MUTANT == 4)
#define FORGETS_ENDED_JOBS (MUTANT == 5)
#define STOPS_AT_THE_FIRST_PART (MUTANT == 6)

#define LAST (PARTS - 1)
#define NONCES (JOBS * PARTS + FOREIGN + REVERTS)
#define FORGONE 254
#define NONE 255
#define NOBODY 255
#define KEEPER 254

#define NOTHING 0
#define CALL 1
#define RAISED 2
#define TRANSFER 3
#define OTHER 4
#define REVERTED 5
#define isCall(what) (what == CALL || what == RAISED)

mtype:status = { OPEN, COMPLETED, FAILED };
mtype:status status[JOBS] = OPEN;

byte nextNonce;
byte claim[JOBS] = NONE;
byte owner[NONCES] = NOBODY;
byte stored[NONCES];
/* The part that a nonce was claimed for. */
#if PARTS > 1
byte part[NONCES];
#define partOf(nonce) part[nonce]
#else
#define partOf(nonce) 0
#endif
/* Whether the ledger still ends where a job's delivery has read it. */
bool isFresh[JOBS];

byte used;
byte pool[NONCES];
byte mined[NONCES];
/* Of each part of each job. */
bool hasEffect[JOBS * PARTS];
#define effectOf(job, ofPart) hasEffect[(job) * PARTS + (ofPart)]
bool isDear;

byte faults;
byte foreign;
byte reverts;
byte reorganisations;

hidden byte at;

#define isRight(job) (status[job] == COMPLETED && effectOf(job, 0) && effectOf(job, LAST) || \
  status[job] == FAILED && !effectOf(job, LAST))
#if JOBS == 1
#define allRight isRight(0)
#else
#define allRight (isRight(0) && isRight(1))
#endif

inline appended() {
  for (at : 0 .. JOBS - 1) { isFresh[at] = false }
  at = 0
}

inline mayCrash() {
  if
  :: atomic { faults < FAULTS -> faults++; nonce = 0; version = NOTHING; isFresh[job] = false }
    if
    :: IS_NOT_DELIVERED_AGAIN -> goto lost
    :: else -> goto delivery
    fi
  :: true
  fi
}

/* For this part, behind the claim that was read. */
inline claimNext(forPart) {
  d_step {
    at = forPart;
    if
    :: isFresh[job] ->
      nonce = (used > nextNonce -> used : nextNonce);
      assert(nonce < NONCES && owner[nonce] == NOBODY);
      owner[nonce] = job; claim[job] = nonce; nextNonce = nonce + 1;
      stored[nonce] = (isDear -> RAISED : CALL);
#if PARTS > 1
      part[nonce] = at;
#endif
      appended()
    :: else
    fi;
    at = 0
  }
}

inline giveUp() {
  d_step {
    if
    :: isFresh[job] -> claim[job] = FORGONE; appended()
    :: else
    fi
  }
}

proctype Deliveries(byte job) {
  byte nonce, version;

delivery:
  do
  :: status[job] != OPEN -> break
  :: else ->
    d_step {
      isFresh[job] = true;
      nonce = claim[job];
      if
      :: nonce < NONCES -> version = stored[nonce]
      :: else
      fi
    }
    mayCrash();
    if
    :: nonce == NONE ->
      if
      :: claimNext(0)
      :: giveUp()
      fi
    :: nonce == FORGONE -> status[job] = FAILED
    :: nonce < NONCES ->
      /* The version that was read goes out, where the nonce is not used and the pool has no later one. */
      d_step {
        if
        :: nonce >= used && pool[nonce] < version -> pool[nonce] = version
        :: else
        fi
      }
      mayCrash();
      if
      :: nonce < used
      :: claim[job] != nonce || stored[nonce] != version
      :: d_step { DEADLINE && version < TRANSFER && isFresh[job] -> stored[nonce] = TRANSFER; appended() }
      fi;
      mayCrash();
      if
      :: faults < FAULTS -> faults++ /* The node is behind, and shows nothing. */
      :: d_step {
          nonce < used && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) == LAST -> status[job] = COMPLETED
        }
#if PARTS > 1
      :: nonce < used && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) < LAST &&
        !STOPS_AT_THE_FIRST_PART ->
        if
        :: version < TRANSFER -> claimNext(partOf(nonce) + 1)
        :: version < TRANSFER -> giveUp()
        :: version == TRANSFER -> status[job] = FAILED
        fi
#endif
      :: d_step { nonce < used && mined[nonce] >= TRANSFER && version == TRANSFER -> status[job] = FAILED }
      :: nonce < used && mined[nonce] >= OTHER && version < TRANSFER ->
        if
        :: claimNext(partOf(nonce))
        :: giveUp()
        fi
      :: else
      fi
    fi;
    nonce = 0; version = NOTHING
  od;
lost:
  skip
}

#define isKept(it) (used <= it && it < nextNonce && !(FORGETS_ENDED_JOBS && owner[it] < JOBS && status[owner[it]] != OPEN))

/* Compares ledger, pool and chain: any executor's, and as good as one. */
inline keep(it) {
  d_step { it < NONCES && isKept(it) && pool[it] < stored[it] && !SENDS_NOTHING_AGAIN -> pool[it] = stored[it] }
}
inline raise(it) {
  d_step {
    it < NONCES && isKept(it) && isDear && stored[it] == CALL && !RAISES_NOTHING ->
    stored[it] = RAISED;
    appended()
  }
}
inline fill(it) {
  d_step {
    it < NONCES && isKept(it) && owner[it] == NOBODY && !FILLS_NOTHING ->
    owner[it] = KEEPER; stored[it] = TRANSFER;
    appended()
  }
}

proctype Keeper() {
end:
  do
  :: keep(used)
  :: keep(used + 1)
  :: raise(used)
  :: raise(used + 1)
  :: fill(used)
  :: fill(used + 1)
  od
}

#define isMinable (used < NONCES && pool[used] != NOTHING && (pool[used] != CALL || !isDear))

proctype Chain() {
end:
  do
  :: d_step {
      isMinable -> mined[used] = pool[used];
      if
      :: isCall(mined[used]) -> effectOf(owner[used], partOf(used)) = true
      :: else
      fi;
      used++
    }
  :: d_step { isMinable && isCall(pool[used]) && reverts < REVERTS -> reverts++; mined[used] = REVERTED; used++ }
  :: d_step { used < NONCES && foreign < FOREIGN -> foreign++; mined[used] = OTHER; used++ }
  :: d_step { faults < FAULTS -> faults++; for (at : 0 .. NONCES - 1) { pool[at] = NOTHING }; at = 0 }
  :: d_step { faults < FAULTS && !isDear -> faults++; isDear = true }
  :: d_step {
      reorganisations < REORGANISATIONS && used > 0 -> reorganisations++; used--;
      if
      :: isCall(mined[used]) -> effectOf(owner[used], partOf(used)) = false
      :: else
      fi;
      mined[used] = NOTHING;
      pool[used] = NOTHING
    }
  od
}

/* Goes on when nothing else does, so that a protocol that is stuck is stuck for ever. */
proctype Time() {
  do
  :: at = 0
  od
}

init {
  atomic {
    /* A transaction from elsewhere waits while the ledger is opened, and is lost then. */
    if
    :: FOREIGN > 0 -> nextNonce = 1; foreign++
    :: true
    fi;
    run Time();
    run Keeper();
    run Chain();
    run Deliveries(0);
#if JOBS > 1
    run Deliveries(1)
#endif
  }
}

ltl settles { <> [] (allRight && used >= nextNonce) }
