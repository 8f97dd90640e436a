/*
 * Safety of the protocol by which executors share one wallet: claims in the ledger, replacements, settlement, giving up.
 * docs/testing.md says what is proven, and how to check it; progress.pml is about its liveness.
 *
 * Checked in every state: a job's call takes effect once at most; a failed job's call never does; a completed job's call has,
 * unless others did what it asks for and it did not; no two executors end a job differently; no nonce is claimed twice. Where
 * jobs have several parts, each has a call: these hold for each part, no part's call takes effect before the part ahead of it
 * is done, and what a failed job has not done is its last part. Where jobs take back what they have done (UNDO), a failed one has
 * left nothing, a completed one was not taken back, and nothing is taken back twice.
 *
 * Without limit, because nothing counts them:
 *  - crashes: what an executor has read may be forgotten at any step, and it holds nothing else;
 *  - repeated deliveries: any job that is not over may be delivered to any executor, also while others work on it;
 *  - late news: what an executor acts on may have been read any time ago, and it may overlook what the chain has mined;
 *  - lost transactions: the chain may mine, or never mine, any version of a claim that is stored, the replaced ones
 *    included. Keepers send what is stored at any time, so a pool would only take behaviours away.
 */
#ifndef EXECUTORS
#define EXECUTORS 2
#endif
#ifndef JOBS
#define JOBS 2
#endif
/* The parts of a job, each of which is one call. */
#ifndef PARTS
#define PARTS 1
#endif
/*
 * Whether a job of two parts that was abandoned, which any may be at any time, takes back what it has done: by one call more,
 * which the contract refuses where there is nothing. It refuses the second part where the first is not there.
 */
#ifndef UNDO
#define UNDO 0
#endif
/* Nonces that the chain uses for transactions which others send from the same wallet. */
#ifndef FOREIGN
#define FOREIGN 1
#endif
/* Calls that are mined without effect, because the contract refuses them. */
#ifndef REVERTS
#define REVERTS 0
#endif
/*
 * Whether what others send from the wallet does what job 0 asks for in its first part: the contract refuses the job's own
 * call from then on, and the part is done as adopted.
 */
#ifndef ADOPTIONS
#define ADOPTIONS 0
#endif
/* Whether fees are raised. */
#ifndef RAISES
#define RAISES 1
#endif
/* Whether the chain may take back what it has mined, as long as it is not confirmed. */
#ifndef REORGANISATIONS
#define REORGANISATIONS 0
#endif
/* Whether executors act on a block only when it can't be taken back any more; otherwise they do at one confirmation. */
#ifndef CONFIRMED
#define CONFIRMED 1
#endif
/* A step of the protocol that is left out or done wrong, which the check must find. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define APPENDS_BLINDLY (MUTANT == 1)
#define REPLACES_BLINDLY (MUTANT == 2)
#define TRUSTS_A_MISSING_RECEIPT (MUTANT == 3)
#define FAILS_AT_THE_DEADLINE (MUTANT == 4)
#define FAILS_WITHOUT_GIVING_UP (MUTANT == 5)
#define GIVES_UP_WHAT_IS_CLAIMED (MUTANT == 6)
#define CLAIMS_AFTER_CANCELLING (MUTANT == 7)
#define SPENDS_ANY_VERSION (MUTANT == 8)
#define SPENDS_UNCONFIRMED (MUTANT == 9)
#define ADOPTS_WHAT_WAITS (MUTANT == 10)
#define GOES_ON_UNCONFIRMED (MUTANT == 11)
#define GIVES_UP_ONE_PART (MUTANT == 12)
#define TAKES_BACK_BEFORE_IT_IS_SETTLED (MUTANT == 13)
#define ENDS_BEFORE_IT_IS_TAKEN_BACK (MUTANT == 14)
#define GOES_ON_BEHIND_WHAT_TAKES_BACK (MUTANT == 15)

#define NONCES (JOBS * (PARTS + UNDO) + FOREIGN + REVERTS + ADOPTIONS)

/* In the place of a nonce: the job has given up, or has no claim. A nonce takes three bits, so that there are six. */
#define FORGONE 6
#define NONE 7
/* In the place of a job: nobody, and the keeper that fills a nonce which nobody has. */
#define NOBODY 3
#define KEEPER 4

/* The versions of a claim, in their order, of which the last one cancels; and what else the chain does with a nonce. */
#define NOTHING 0
#define CALL 1
#define RAISED 2
#define TRANSFER 3
#define OTHER 4
#define REVERTED 5

mtype:status = { OPEN, COMPLETED, FAILED };

/* The log of jobs: an end is appended at the revision that it was decided on, so there is one. */
mtype:status status[JOBS] = OPEN;
/* Jobs that were delivered so far. They are numbered by their first delivery, which distinguishes no two of them. */
byte delivered;

/* The ledger: the next nonce; the nonce in a job's last event; and for each nonce whose it is, and its version by now. */
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
#define LAST (PARTS - 1)
/* In the place of a part: the call that takes back what the others have done. */
#define BACK PARTS
#if UNDO
/* In the log: that the job does not go on. */
bool abandoned[JOBS];
#endif

/* The chain: nonces used, how many of these for good, the most that ever were, and for what. */
byte used;
byte mined[NONCES];
#if REORGANISATIONS
byte final;
byte most;
#else
#define final used
#define most used
#endif
#if CONFIRMED
#define trusted final
#else
#define trusted used
#endif

/*
 * What executors have read: a job, its nonce, the version, and whether the ledger still ends where it did. They are
 * interchangeable and hold nothing else, so that they are one process with as many places, kept in order: which of them has
 * read what makes no difference. Reading the ledger's end and then the claim is one step here: what came in between would
 * only refuse the append that follows, which forgetting does as well. Looking at the chain and recording the job's end is
 * one step too: what can be trusted of the chain stays as it is, so that whoever saw it earlier decides the same.
 */
#if UNDO
/* Whether it has read that the job is abandoned, too. */
#define IDLE 510
short readings[EXECUTORS] = IDLE;
#define reading(job, nonce, version) (abandoned[job] << 8 | nonce << 5 | version << 3 | job << 1 | 1)
#define isBackIn(reading) (reading >> 8)
#else
#define IDLE 254
byte readings[EXECUTORS] = IDLE;
#define reading(job, nonce, version) (nonce << 5 | version << 3 | job << 1 | 1)
#endif
#define isFreshIn(reading) (reading & 1)
#define jobIn(reading) ((reading >> 1) & 3)
#define versionIn(reading) ((reading >> 3) & 3)
#define nonceIn(reading) ((reading >> 5) & 7)

/* Within one step only, and no part of the state. */
hidden byte at;
hidden byte other;
hidden byte count;
#if UNDO
hidden short swapped;
#else
hidden byte swapped;
#endif

#define isCall(what) (what == CALL || what == RAISED)

inline countEffects(ofJob, ofPart) {
  count = 0;
  for (at : 0 .. NONCES - 1) { count = count + (owner[at] == ofJob && partOf(at) == ofPart && isCall(mined[at])) }
  at = 0
}

inline countMinedBelow(nonces, what) {
  count = 0;
  for (at : 0 .. NONCES - 1) { count = count + (at < nonces && mined[at] == what) }
  at = 0
}
inline countMined(what) { countMinedBelow(NONCES, what) }

inline sort() {
  for (at : 1 .. EXECUTORS - 1) {
    for (other : 1 .. EXECUTORS - 1) {
      if
      :: readings[other - 1] > readings[other] ->
        swapped = readings[other]; readings[other] = readings[other - 1]; readings[other - 1] = swapped
      :: else
      fi
    }
  }
  at = 0; other = 0; swapped = 0
}

/* What was appended is behind the end that the others have read. The order of the readings stays. */
inline appended() {
  for (at : 0 .. EXECUTORS - 1) { readings[at] = readings[at] & IDLE }
  at = 0
}

inline endAs(how) {
  d_step {
    countEffects(job, LAST);
    assert(count == (how == COMPLETED -> 1 : 0));
#if UNDO
    countEffects(job, BACK);
    swapped = count;
    countEffects(job, 0);
    assert(how == FAILED -> count == swapped : swapped == 0);
    swapped = 0;
#endif
#if PARTS > 1
    countEffects(job, 0);
    assert(count <= 1 && (how == FAILED || count == 1 || (ADOPTIONS && job == 0)));
#endif
    /* Executors that see the chain at different times may differ on whether there is something to adopt. */
    assert(status[job] == OPEN || status[job] == how || (ADOPTIONS && job == 0));
    if
    :: status[job] == OPEN -> status[job] = how
    :: else
    fi
  }
}

/* The job is given up, and others have done what it asks for. It has not done it as well. */
inline adopt() {
  d_step {
    countMinedBelow(trusted, OTHER);
    if
    :: status[job] == OPEN && (count > 0 || ADOPTS_WHAT_WAITS) ->
      assert(count > 0);
      countEffects(job, LAST);
      assert(count == 0);
      status[job] = COMPLETED
    :: else
    fi
  }
}

/* For this part, behind the claim that was read. The chain's count was read before the ledger's end, at any time. */
inline claimNext(forPart) {
  if
  :: isFresh || APPENDS_BLINDLY ->
#if PARTS > 1
    goal = forPart;
#endif
    nonce = nextNonce;
    do
    :: nonce < most -> nonce++
    :: break
    od;
    assert(nonce >= NONCES || owner[nonce] == NOBODY);
    d_step {
      if
      :: nonce < NONCES ->
        owner[nonce] = job; stored[nonce] = CALL; claim[job] = nonce; nextNonce = nonce + 1;
#if PARTS > 1
        part[nonce] = goal;
#endif
        appended()
      :: else
      fi
    }
  :: else
  fi
}

/* Others have done the first part: it needs no claim. */
inline skipFirst() {
  d_step {
    countMinedBelow(trusted, OTHER);
    goal = count;
    count = 0
  }
  if
  :: goal > 0 -> claimNext(1)
  :: else
  fi
}

inline giveUp() {
  if
  :: isFresh -> d_step { claim[job] = FORGONE; appended() }
  :: else
  fi
}

#if UNDO
/* What the job has done before a claim that is settled is taken back, if it has done anything. */
inline takeBack() {
  d_step {
    countEffects(job, 0);
    goal = count;
    count = 0
  }
  if
  :: goal > 0 -> claimNext(BACK)
  :: else -> giveUp()
  fi
}
#endif

/* Other fees, or the transfer that cancels: the last event of the job is then about this nonce. */
inline replace(by) {
  if
  :: isFresh || REPLACES_BLINDLY -> d_step { stored[nonce] = by; claim[job] = nonce; appended() }
  :: else
  fi
}

inline advance() {
  used++;
#if REORGANISATIONS
  if
  :: used > most -> most = used
  :: else
  fi
#endif
}

#define hasRoom (readings[EXECUTORS - 1] == IDLE)

inline deliver(it) {
  d_step {
    status[it] == OPEN && delivered >= it && hasRoom ->
    if
    :: delivered == it -> delivered++
    :: else
    fi;
    nonce = claim[it];
    if
    :: nonce < NONCES -> version = stored[nonce]
    :: else
    fi;
    readings[EXECUTORS - 1] = reading(it, nonce, version);
    sort();
    nonce = 0; version = 0
  }
}

active proctype Executors() {
  byte place, job, nonce, version;
  bool isFresh;
#if PARTS > 1
  byte goal;
#endif
#if UNDO
  bool isBack;
#endif

end:
  do
  :: deliver(0)
#if JOBS > 1
  :: deliver(1)
#endif
#if JOBS > 2
  :: deliver(2)
#endif
  :: atomic {
      readings[0] != IDLE ->
      if
      :: true
#if EXECUTORS > 1
      :: readings[1] != IDLE -> place = 1
#endif
#if EXECUTORS > 2
      :: readings[2] != IDLE -> place = 2
#endif
      fi;
      d_step {
#if UNDO
        isBack = isBackIn(readings[place]);
#endif
        isFresh = isFreshIn(readings[place]);
        job = jobIn(readings[place]);
        version = versionIn(readings[place]);
        nonce = nonceIn(readings[place]);
        readings[place] = IDLE;
        place = 0;
        sort()
      }
#if UNDO
      if
      :: true /* It crashes, or does nothing: the job is delivered again. */
      :: nonce == FORGONE -> endAs(FAILED)
      :: nonce == NONE && isBack -> giveUp()
      :: nonce == NONE && !isBack -> claimNext(0)
      :: nonce < NONCES && version < RAISED && RAISES -> replace(RAISED)
      /* What takes something back has as long as it takes. */
      :: nonce < NONCES && version < TRANSFER && partOf(nonce) != BACK -> replace(TRANSFER)
      :: nonce < trusted && isCall(mined[nonce]) && mined[nonce] <= version ->
        if
        :: partOf(nonce) == LAST -> endAs(COMPLETED)
        :: partOf(nonce) < LAST && isBack -> takeBack()
        /* A claim that was withdrawn is the job's last one that goes on: it is abandoned. */
        :: partOf(nonce) < LAST && !isBack && version < TRANSFER -> claimNext(partOf(nonce) + 1)
        :: partOf(nonce) == BACK && isBack -> giveUp()
        :: else
        fi
      /* Spent: the nonce is used, and for no version of the claim, or without effect. */
      :: nonce < trusted && (mined[nonce] >= OTHER || (mined[nonce] == TRANSFER && version == TRANSFER)) ->
        if
        :: isBack -> takeBack()
        :: !isBack && version < TRANSFER && partOf(nonce) != BACK -> claimNext(partOf(nonce))
        :: else
        fi
      :: nonce < NONCES && isBack && partOf(nonce) != BACK && TAKES_BACK_BEFORE_IT_IS_SETTLED -> takeBack()
      :: nonce < NONCES && isBack && partOf(nonce) == BACK && ENDS_BEFORE_IT_IS_TAKEN_BACK -> giveUp()
      :: nonce < NONCES && !isBack && claim[job] < NONCES && GOES_ON_BEHIND_WHAT_TAKES_BACK &&
        nonce < trusted && isCall(mined[nonce]) && partOf(nonce) == 0 && partOf(claim[job]) == BACK ->
        isFresh = true; claimNext(0)
      fi;
#else
      if
      :: true /* It crashes, or does nothing: the job is delivered again. */
      :: nonce == NONE -> claimNext(0)
#if PARTS > 1
      :: nonce == NONE && ADOPTIONS && job == 0 -> skipFirst()
#endif
      :: nonce == NONE -> giveUp()
      :: nonce == NONE && FAILS_WITHOUT_GIVING_UP -> endAs(FAILED)
      :: nonce == FORGONE -> endAs(FAILED)
      :: nonce == FORGONE && ADOPTIONS && job == 0 && PARTS == 1 -> adopt()
      :: nonce < NONCES ->
        if
        :: version < RAISED && RAISES -> replace(RAISED)
        :: version < TRANSFER -> replace(TRANSFER)
        :: version < TRANSFER && FAILS_AT_THE_DEADLINE -> endAs(FAILED)
        :: version < TRANSFER && GIVES_UP_WHAT_IS_CLAIMED -> giveUp()
        :: nonce < trusted && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) == LAST -> endAs(COMPLETED)
#if PARTS > 1
        /* The part is done. A claim that was withdrawn is the job's last one, though its call was mined after all. */
        :: nonce < trusted && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) < LAST && version < TRANSFER ->
          claimNext(partOf(nonce) + 1)
        :: nonce < trusted && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) < LAST && version < TRANSFER ->
          giveUp()
        :: nonce < trusted && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) < LAST && version == TRANSFER ->
          endAs(FAILED)
        :: nonce < used && isCall(mined[nonce]) && mined[nonce] <= version && partOf(nonce) < LAST && version < TRANSFER &&
          GOES_ON_UNCONFIRMED -> claimNext(partOf(nonce) + 1)
        :: nonce < trusted && isCall(mined[nonce]) && partOf(nonce) < LAST && claim[job] != nonce && claim[job] < NONCES &&
          GIVES_UP_ONE_PART -> isFresh = true; giveUp()
        :: nonce < trusted && mined[nonce] >= OTHER && version < TRANSFER && partOf(nonce) < LAST && ADOPTIONS && job == 0 ->
          skipFirst()
#endif
        :: nonce < trusted && mined[nonce] == TRANSFER && version == TRANSFER -> endAs(FAILED)
        /* Spent: the nonce is used, and for no version of the claim, or without effect. */
        :: nonce < trusted && mined[nonce] >= OTHER && version == TRANSFER -> endAs(FAILED)
        :: nonce < trusted && mined[nonce] >= OTHER && version < TRANSFER -> claimNext(partOf(nonce))
        :: nonce < trusted && mined[nonce] >= OTHER && version < TRANSFER -> giveUp()
        :: nonce < trusted && mined[nonce] >= OTHER && CLAIMS_AFTER_CANCELLING -> claimNext(partOf(nonce))
        :: nonce < used && mined[nonce] >= OTHER && version < TRANSFER && SPENDS_UNCONFIRMED -> giveUp()
        :: nonce < used && TRUSTS_A_MISSING_RECEIPT && version < TRANSFER -> claimNext(partOf(nonce))
        /* A version that this executor has not read of is mined, and it looks only at whose the nonce is. */
        :: nonce < trusted && mined[nonce] > version && claim[job] == nonce && stored[nonce] < TRANSFER &&
          SPENDS_ANY_VERSION -> isFresh = true; giveUp()
        :: else
        fi
      fi;
#endif
      job = 0; nonce = 0; version = 0; isFresh = false;
#if UNDO
      isBack = false;
#endif
#if PARTS > 1
      goal = 0
#endif
    }
#if UNDO
  /* A client cancels the job, or an executor has found that it does not go on. */
  :: d_step { status[0] == OPEN && delivered > 0 && !abandoned[0] -> abandoned[0] = true }
#if JOBS > 1
  :: d_step { status[1] == OPEN && delivered > 1 && !abandoned[1] -> abandoned[1] = true }
#endif
#endif
  od
}

active proctype Chain() {
  byte what;

end:
  do
  /* Any version that is stored, in the order of nonces. Not stored is RAISED where a call is cancelled at once: as a call. */
  :: atomic {
      used < NONCES && stored[used] != NOTHING ->
      if
      :: owner[used] != KEEPER -> what = CALL
      :: RAISES && stored[used] >= RAISED && owner[used] != KEEPER -> what = RAISED
      :: stored[used] == TRANSFER -> what = TRANSFER
      :: owner[used] != KEEPER -> what = REVERTED
      fi;
      d_step {
        countMined(REVERTED);
        if
        :: what == REVERTED && count == REVERTS -> what = CALL
        :: else
        fi;
        countMinedBelow(used, OTHER);
        if
        :: ADOPTIONS && isCall(what) && owner[used] == 0 && partOf(used) == 0 && count > 0 -> what = REVERTED
        :: else
        fi;
#if UNDO
        /* What the contract finds there: the first part, unless it was taken back. */
        if
        :: isCall(what) ->
          countEffects(owner[used], BACK);
          swapped = count;
          countEffects(owner[used], 0);
          swapped = count - swapped;
          if
          :: partOf(used) == 0 && swapped > 0 -> what = REVERTED
          :: partOf(used) > 0 && swapped == 0 -> what = REVERTED
          :: else
          fi;
          swapped = 0
        :: else
        fi;
#endif
        mined[used] = what;
        if
        :: isCall(what) ->
          countEffects(owner[used], partOf(used));
          assert(count == 1);
          assert(status[owner[used]] != FAILED);
#if PARTS > 1
          if
          :: partOf(used) > 0 && partOf(used) < PARTS ->
            countEffects(owner[used], partOf(used) - 1);
            swapped = count;
            countMinedBelow(used, OTHER);
            assert(swapped == 1 || (ADOPTIONS && owner[used] == 0 && count > 0));
            swapped = 0
          :: else
          fi
#endif
        :: else
        fi;
        what = 0;
        advance()
      }
    }
  :: d_step {
      used < NONCES && FOREIGN > 0 ->
      countMined(OTHER);
      if
      :: count < FOREIGN -> mined[used] = OTHER; advance()
      :: else
      fi
    }
#if REORGANISATIONS
  :: d_step { used > final -> used--; mined[used] = NOTHING }
  :: used > final -> final++
  /* A keeper fills what a transaction from elsewhere has left: nonces that were given out are claimed by nobody else. */
  :: d_step { used < nextNonce && owner[used] == NOBODY -> owner[used] = KEEPER; stored[used] = TRANSFER; appended() }
#endif
  od
}
