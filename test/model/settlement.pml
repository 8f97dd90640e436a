/*
 * The protocol by which executors share one wallet: claims in the ledger, broadcast, settlement, cancelling, giving up.
 * docs/reliability.md tells how to check it and what is proven.
 *
 * The log is what JetStream promises: an append that states the last sequence is refused if anything came in between.
 * The chain mines nonces in order, each by any transaction of that nonce that ever reached a pool, the replaced ones
 * included. Executors may work on the same job at the same time (deliveries are repeated), and may die at any step, which
 * loses what they know. A chain's node may show a mined transaction late, and may lose its pool. Others may use the wallet.
 */
#ifndef EXECUTORS
#define EXECUTORS 2
#endif
#ifndef JOBS
#define JOBS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
/* Transactions that the wallet sends from elsewhere. */
#ifndef FOREIGN
#define FOREIGN 1
#endif
/* How often a node loses its pool, and shows what was so a moment ago. */
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef STALE
#define STALE 1
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define NONCES (JOBS + FOREIGN)
#define NONE 255

mtype:status = { OPEN, COMPLETED, FAILED };
mtype:mined = { NOTHING, CALL, TRANSFER, OTHER };

/* The ledger: its last sequence, the next nonce, and what a look-up of a job finds. */
byte sequence;
byte next;
byte claim[JOBS] = NONE;
bool cancelled[JOBS];
bool forgone[JOBS];
/* Which job a nonce was claimed for: kept for the chain, which runs the claim's call. */
byte jobOf[NONCES] = NONE;

/* The log of jobs: an end is appended at the revision it was decided on, so there is one. */
mtype:status status[JOBS] = OPEN;

/* The chain: what has reached a pool, what each nonce was used for, and what the calls have done. */
bool callSent[NONCES];
bool transferSent[NONCES];
byte used;
mtype:mined minedAs[NONCES] = NOTHING;
byte effects[JOBS];

byte crashes;
byte foreign;
byte losses;
byte stale;

#define isOver(job) (status[job] != OPEN)
#if JOBS == 1
#define allOver isOver(0)
#elif JOBS == 2
#define allOver (isOver(0) && isOver(1))
#else
#define allOver (isOver(0) && isOver(1) && isOver(2))
#endif

/* A crash forgets what is local; a new process begins with another delivery. */
inline mayCrash() {
  if
  :: crashes < CRASHES -> crashes++; goto delivery
  :: true
  fi
}

inline end(job, how) {
  if
  :: !isOver(job) -> status[job] = how
  :: else
  fi
}

/* Appends a claim of this job for the next nonce, if the ledger still ends where it was read. */
inline appendClaim(job, seen, from) {
  atomic {
    if
#if MUTANT == 1
    :: true ->
#else
    :: sequence == seen ->
#endif
      nonce = (from > next -> from : next);
      if
      :: nonce < NONCES ->
        assert(jobOf[nonce] == NONE);
        jobOf[nonce] = job;
        claim[job] = nonce;
        next = nonce + 1;
        sequence++
      :: else -> nonce = NONE
      fi
    :: else -> nonce = NONE
    fi
  }
}

active [EXECUTORS] proctype Executor() {
  byte job, seen, nonce, from;
  mtype:mined shown;
  bool isCancelled;

delivery:
  atomic { job = 0; seen = 0; nonce = NONE; from = 0; shown = NOTHING; isCancelled = false }
  /* Any job that is not over may be delivered to anyone. */
  if
  :: !isOver(0) -> job = 0
#if JOBS > 1
  :: !isOver(1) -> job = 1
#endif
#if JOBS > 2
  :: !isOver(2) -> job = 2
#endif
  :: allOver -> goto done
  fi;

  /* The chain's count is read before the ledger's tail, and the tail before the claim that exists. */
  from = used;
  seen = sequence;
  atomic { nonce = claim[job]; isCancelled = cancelled[job] };
  if
  :: forgone[job] -> end(job, FAILED); goto delivery
  :: !forgone[job] && nonce == NONE ->
    if
    :: true ->
      appendClaim(job, seen, from);
      if
      :: nonce == NONE -> goto delivery
      :: else
      fi
    :: true ->
      /* The attempts are used up: no executor can claim any more, and then the job fails. */
#if MUTANT == 4
      end(job, FAILED);
#else
      atomic {
        if
        :: sequence == seen -> forgone[job] = true; sequence++
        :: else -> goto delivery
        fi
      };
      mayCrash();
      end(job, FAILED);
#endif
      goto delivery
    fi
  :: else
  fi;
  mayCrash();

  /* What is stored goes out; a nonce that is used is refused. */
  atomic {
    if
    :: nonce < used
    :: nonce >= used && isCancelled -> transferSent[nonce] = true
    :: nonce >= used && !isCancelled -> callSent[nonce] = true
    fi
  };
  mayCrash();

  /* What the node shows of the nonce. */
  if
  :: shown = minedAs[nonce]
  :: stale < STALE -> stale++; shown = NOTHING
  fi;
  mayCrash();
  if
  :: shown == CALL -> end(job, COMPLETED)
  :: shown == TRANSFER ->
    /* Only a cancelled claim has a transfer; the reason stands in the ledger. */
    assert(cancelled[job]);
    end(job, FAILED)
#if MUTANT == 2
  :: shown == OTHER || (shown == NOTHING && nonce < used) ->
#else
  :: shown == OTHER ->
#endif
    /* Used from elsewhere: the job claims again, unless it is cancelled or has another claim by now. */
    from = used;
    seen = sequence;
    atomic { isCancelled = cancelled[job]; shown = (claim[job] == nonce -> OTHER : NOTHING) };
    if
    :: shown == NOTHING
    :: shown == OTHER && isCancelled -> end(job, FAILED)
    :: shown == OTHER && !isCancelled -> appendClaim(job, seen, from)
    fi
  :: else ->
    if
    :: true
    :: true ->
      /* The job's time is over: its nonce gets a transfer, and the chain decides. */
#if MUTANT == 3
      end(job, FAILED);
#else
      seen = sequence;
      isCancelled = (claim[job] == nonce && !cancelled[job]);
      atomic {
        if
        :: isCancelled && sequence == seen -> cancelled[job] = true; sequence++
        :: else
        fi
      }
#endif
    fi
  fi;
  goto delivery;
done:
  skip
}

active proctype Chain() {
  byte nonce;
  do
  :: used < NONCES && callSent[used] && jobOf[used] != NONE ->
    d_step {
      minedAs[used] = CALL;
      effects[jobOf[used]]++;
      assert(effects[jobOf[used]] <= 1);
      assert(status[jobOf[used]] != FAILED);
      used++
    }
  :: used < NONCES && transferSent[used] -> d_step { minedAs[used] = TRANSFER; used++ }
  :: used < NONCES && foreign < FOREIGN -> d_step { foreign++; minedAs[used] = OTHER; used++ }
  :: losses < LOSSES && (used < NONCES && (callSent[used] || transferSent[used])) ->
    d_step {
      losses++;
      for (nonce : 0 .. NONCES - 1) { callSent[nonce] = false; transferSent[nonce] = false };
      nonce = 0
    }
  :: timeout -> break
  od;
  for (nonce : 0 .. JOBS - 1) {
    assert(status[nonce] != OPEN);
    assert(effects[nonce] == (status[nonce] == COMPLETED -> 1 : 0))
  }
}

ltl everyJobEnds { <> allOver }
