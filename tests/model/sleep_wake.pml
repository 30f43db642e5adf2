/* How a reader of a ring link sleeps (RingLink::Sleep, Arm, NoFrame in
   transports/ring_link.cc; transports/ring/bell.h), in the sequentially
   consistent world that the orders of ring.h and bell.h provide: ring_model has
   those. Here: a peer that publishes, closes in order or dies at any moment, and
   a thread of ours that interrupts the sleeper.

   Must hold: the reader gets every frame that was published, then learns the
   right end; it sleeps only while there is nothing to wake it (Watch); no more
   bells than raises. */

#define FRAMES 2
#define OPEN 0
#define CLOSED 1

/* The peer's region. */
byte published = 0;
byte ending = OPEN;
/* Ours: odd while we sleep. */
byte word = 0;
/* The socket of the bell. */
byte bells = 0;
bool hung_up = false;
/* The latch of Interrupt, and its descriptor. */
bool interrupt = false;

byte raises = 0;
byte rung_total = 0;
byte taken = 0;
bool peer_stays = false;
bool reader_done = false;

active proctype Peer() {
  byte rung = 0;
  byte seen;
  do
  :: published < FRAMES ->
    published++;                         /* seq_cst store */
    /* Died between publishing and ringing: the kernel hangs up instead. */
    if
    :: true
    :: goto died
    fi;
    seen = word;                         /* Due: seq_cst load */
    if
#ifdef MUTANT_RING_ONCE_FOR_EVER
    :: (seen % 2) == 1 && rung == 0 ->
#else
    :: (seen % 2) == 1 && seen != rung ->
#endif
      rung = seen;
      bells++;
      rung_total++;
      assert(rung_total <= raises)
    :: else
    fi
  :: break                               /* closes, having sent all or not */
  :: goto died
  :: published == FRAMES -> peer_stays = true; goto end
  od;
  ending = CLOSED;                       /* seq_cst store, then shutdown */
#ifdef MUTANT_CLOSE_DOES_NOT_SHUT_DOWN
  goto end;
#endif
died:
  hung_up = true;
end:
  skip
}

active proctype Interrupter() {
  interrupt = true
}

active proctype Reader() {
  byte end_known = 0;                    /* 0 no, 1 closed, 2 died */
  byte value = 0;
  bool look;

again:
  /* Peek */
  if
  :: taken < published -> taken++; goto again
  :: else
  fi;
  /* NoFrame: is an end known? Then the ring is looked at once more. */
  if
  :: ending == CLOSED && end_known == 0 -> end_known = 1
  :: else
  fi;
  if
  :: end_known != 0 ->
#ifndef MUTANT_END_WITHOUT_ANOTHER_LOOK
    if
    :: taken < published -> taken++; goto again
    :: else
    fi;
#endif
    goto ended
  :: else
  fi;

  /* Sleep */
sleep:
  if
  :: interrupt -> interrupt = false; goto again
  :: else
  fi;
  value = (value + 1) | 1;
#ifdef MUTANT_RAISE_THE_SAME_VALUE
  value = 1;
#endif
  raises++;
  word = value;                          /* Raise: seq_cst store */
  /* MayProgress */
  look = false;
#ifndef MUTANT_NO_SECOND_LOOK
  if
  :: taken < published -> look = true    /* Recheck: seq_cst load */
  :: else
  fi;
#endif
  if
  :: !look && ending == CLOSED -> look = true
  :: else
  fi;
  if
  :: look -> goto lower
  :: else
  fi;
  /* ppoll */
end_asleep:
#ifdef MUTANT_DEATH_DOES_NOT_WAKE
  (bells > 0 || interrupt);
#else
#ifdef MUTANT_INTERRUPT_IS_NOT_WAITED_FOR
  (bells > 0 || hung_up);
#else
  (bells > 0 || hung_up || interrupt);
#endif
#endif
  /* Drain, then NotePeerGone */
  bells = 0;
  if
  :: hung_up && end_known == 0 ->
#ifdef MUTANT_EVERY_END_IS_DEATH
    end_known = 2
#else
    end_known = (ending == CLOSED -> 1 : 2)
#endif
  :: else
  fi;
lower:
  value = (value | 1) + 1;
  word = value;
  goto again;

ended:
  reader_done = true;
  assert(taken == published);
  assert(end_known == (ending == CLOSED -> 1 : 2));
}

/* When nothing moves any more, the reader has finished or has nothing to do. */
active proctype Watch() {
  timeout;
  assert(reader_done || (peer_stays && taken == published && !interrupt))
}
