/* The client's reader role: leader and followers, the pump, interrupts (Await,
   ReadUntil, HandOverLocked, PumpLoop, OnEndedLocked, Cancel in
   runtime/client_session.cc).

   Calls 0 and 1 have a thread that waits for them, call 2 has a sink, for which
   the pump reads; call 0 is cancelled at some moment. Replies come in any order.

   Must hold: never two readers; every wait ends (else an invalid end state). */

#define SINK 2

chan link = [3] of { byte };
bool interrupt = false;                /* the link's latch */

bool mu = false;
bool done[3];
bool waits[2];                         /* in ops.changed() */
bool reader_held = false;
bool reader_asleep = false;
chan followers = [3] of { byte };
byte sync_waits = 0;
bool pump_yields = false;
bool pump_reads = false;
bool pump_wants_role = false;
bool pump_waits = false;               /* in pump_wake_ */

byte readers = 0;
bool returned = false;                 /* call 0, to its caller */
bool pump_ended = false;

#define LOCK atomic { !mu -> mu = true }
#define UNLOCK mu = false

inline WakeReader() {
  if
  :: reader_asleep -> interrupt = true
  :: else
  fi
}

inline HandOver() {
  reader_held = false;
  if
  :: nempty(followers) ->
#ifndef MUTANT_FOLLOWERS_ARE_NOT_WOKEN
    followers?<front>;
    waits[front] = false
#else
    skip
#endif
#ifndef MUTANT_PUMP_GETS_NO_ROLE
  :: empty(followers) && pump_wants_role ->
    pump_wants_role = false;
    pump_waits = false
#endif
  :: else
  fi
}

/* OnStatus: the call is done; OnEndedLocked for the pump's. */
inline Complete(call) {
  done[call] = true;
  if
#ifdef MUTANT_DONE_IS_NOT_TOLD
  :: call != SINK
#else
  :: call != SINK -> waits[call] = false
#endif
  :: call == SINK ->
    pump_yields = true;
#ifndef MUTANT_PUMP_IS_NOT_TOLD
    pump_waits = false;
#endif
    if
    :: pump_reads -> WakeReader()
    :: else
    fi
  fi
}

inline ReadUntil(finished) {
  readers++;
  assert(readers == 1);
  do
  :: finished -> break
  :: !(finished) && nempty(link) ->
    link?got;
    LOCK;
    if
    :: !done[got] -> Complete(got)
    :: else                            /* a late reply is dropped */
    fi;
    UNLOCK
  :: !(finished) && empty(link) ->
    LOCK;
#ifndef MUTANT_NO_SECOND_LOOK
    if
    :: finished -> UNLOCK; break
    :: else
    fi;
#endif
    reader_asleep = true;
    UNLOCK;
#ifdef MUTANT_INTERRUPT_IS_NOT_LATCHED
    interrupt = false;
#endif
    /* Sleep */
    if
    :: atomic { interrupt -> interrupt = false }
    :: nempty(link)
    fi;
    LOCK;
    reader_asleep = false;
    UNLOCK
  od;
  readers--
}

active [2] proctype Caller() {
  byte self = _pid;
  byte got, front;
  LOCK;
  sync_waits++;
  do
  :: done[self] -> break
#ifdef MUTANT_ROLE_IS_NOT_ASKED_FOR
  :: !done[self] ->
#else
  :: !done[self] && !reader_held ->
#endif
    reader_held = true;
    UNLOCK;
    ReadUntil(done[self]);
    LOCK;
    HandOver()
  :: !done[self] && reader_held ->
    followers!self;
    if
    :: pump_reads -> pump_yields = true; WakeReader()
    :: else
    fi;
    UNLOCK;
    LOCK;
    do
    :: !reader_held || done[self] -> break
    :: else ->
      atomic { waits[self] = true; UNLOCK };
      !waits[self];
      LOCK
    od;
#ifndef MUTANT_FOLLOWER_STAYS_IN_THE_QUEUE
    followers??eval(self)
#endif
  od;
#ifndef MUTANT_WOKEN_TO_LEAD_BUT_DONE
  if
  :: !reader_held -> HandOver()
  :: else
  fi;
#endif
  UNLOCK;
  if
  :: self == 0 -> returned = true
  :: else
  fi
}

active proctype Pump() {
  byte got, front;
  byte seen;
  LOCK;
  seen = sync_waits;
  do
  :: done[SINK] -> break
  :: !done[SINK] && (reader_held || nempty(followers)) ->
    pump_wants_role = true;
    atomic { pump_waits = true; UNLOCK };
    !pump_waits;
    LOCK
  :: !done[SINK] && !reader_held && empty(followers) && sync_waits != seen ->
    seen = sync_waits;
    UNLOCK;                            /* a timed wait: it goes on by itself */
    LOCK
  :: !done[SINK] && !reader_held && empty(followers) && sync_waits == seen ->
    reader_held = true;
    pump_reads = true;
    pump_yields = false;
    UNLOCK;
    ReadUntil(pump_yields);
    LOCK;
    pump_reads = false;
    HandOver()
  od;
  UNLOCK;
  pump_ended = true
}

active proctype Canceller() {
  LOCK;
  if
  :: !done[0] ->
    Complete(0);
#ifndef MUTANT_CANCEL_DOES_NOT_WAKE
    WakeReader()
#endif
  :: else
  fi;
  UNLOCK
}

/* The server need not answer a call that was cancelled, and may answer call 1
   only when all others have ended: who reads for long keeps nobody waiting. */
active proctype Replies() {
  byte left = 7;
  bool last = false;
  if
  :: last = true
  :: skip
  fi;
  do
  :: (left & 1) -> link!0; left = left & 6
  :: (left & 1) && done[0] -> left = left & 6
  :: (left & 2) && (!last || (returned && pump_ended)) -> link!1; left = left & 5
  :: (left & 4) -> link!2; left = left & 3
  :: left == 0 -> break
  od
}
