/* The server poller's role word: held, lent to a handler, taken from it
   (RunHere, TakeOver, CheckStuck, Lease::GiveUp in runtime/poller.cc).

   The word counts leases above its lowest bit, which says lent. Handlers may
   return at once, give the role up before they block (GiveUp), or block until
   another handler has run, which takes the watchdog. A thread for the next
   reader may not be to be had (SubmitNow fails).

   Must hold: never two readers; the role is never lost, so that every call is
   handled and Stop, which waits for the reader to leave, returns (else an invalid
   end state). */

#define THREADS 3
#define CALLS 3
#define LENT(word) ((word) & 1)

byte role = 0;
byte leases = 0;                       /* the role holder's */
byte readers = 0;
byte handled = 0;
byte begun = 0;
byte submitted = 0;                    /* Run()s that wait for a thread */
byte refusals = 2;                     /* how often SubmitNow may still fail */
bool stopping = false;
bool running = true;

/* role_.compare_exchange_strong(word, word & ~kLent), then SubmitNow. */
inline TakeOver(word) {
  if
  :: atomic { role == word -> role = word & 254 };
    if
    :: submitted++
    :: refusals > 0 -> refusals--;
#ifndef MUTANT_NO_THREAD_NO_WORD
      role = word                      /* put back: somebody tries again */
#endif
    fi
#ifdef MUTANT_TAKEN_WITHOUT_COMPARING
  :: atomic { role != word -> role = role & 254 }; submitted++
#else
  :: atomic { role != word -> skip }
#endif
  fi
}

active [THREADS] proctype Thread() {
  byte word;
end_idle:
  do
  :: atomic { submitted > 0 -> submitted-- };
  reading:
    readers++;
    assert(readers == 1);
    if
    :: stopping -> readers--; running = false; goto end_idle
    :: begun < CALLS ->
      begun++;
      leases++;
      word = (leases << 1) | 1;
      readers--;
      role = word;
      /* The handler. */
      if
      :: skip
      :: begun == 1 -> (handled > 0)   /* waits for what another call does */
      :: TakeOver(word)
      fi;
      handled++;
#ifdef MUTANT_RETURNED_BY_STORE
      role = word & 254;
      goto reading
#else
      if
      :: atomic { role == word -> role = word & 254 }; goto reading
#ifdef MUTANT_READS_ON_AFTER_LOSS
      :: atomic { role != word -> goto reading }
#else
      :: atomic { role != word -> skip }
#endif
      fi
#endif
    fi
  od
}

/* Ticks for as long as the server lives. */
active proctype Watchdog() {
  byte word;
  byte last = 0;
#ifdef MUTANT_NO_WATCHDOG
  goto done;
#endif
end_ticking:
  do
  :: role != last ->
    word = role;
#ifdef MUTANT_TWO_THREADS_FOR_ONE_ROLE
    if
    :: LENT(word) -> TakeOver(word); submitted++
    :: else
    fi;
#endif
    last = word
  :: role == last && LENT(last) ->     /* as in the tick before */
    TakeOver(last);
    last = 0
  od;
done:
  skip
}

active proctype Stopper() {
  submitted++;                         /* Start */
  (handled == CALLS);
  stopping = true;
  !running
}
