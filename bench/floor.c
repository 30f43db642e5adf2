// clang-format off
// The raw floor: round trips of BYTES bytes between two processes by one mechanism with nothing
// above it, each timed. MODE: shm (spins on a flag), futex, unix, pipe (a fifo is one), sysv, tcp.
// "spin" polls instead of blocking; PACE: microseconds of rest before each call.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kLine = 64, kPart = 8192 };             // The kernel's msgmax is 8192.
static int futex, queue, spin, in[2], out[2];  // [0]: the client's end, [1]: the server's.
static char* memory[2];                        // What an end receives: its flag's line, the bytes.
static size_t bytes;
static struct { long type; char data[kPart]; } part = {.type = 1};

static long Ok(long result) { return result < 0 ? perror("floor"), exit(1), result : result; }

static void MoveMemory(char* way, int sending, char* data, unsigned turn) {
  unsigned *flag = (unsigned*)way, seen;
  if (sending) {
    memcpy(way + kLine, data, bytes);
    __atomic_store_n(flag, turn, __ATOMIC_RELEASE);
    if (futex) syscall(SYS_futex, flag, FUTEX_WAKE, 1, NULL);
    return;
  }
  while ((seen = __atomic_load_n(flag, __ATOMIC_ACQUIRE)) != turn)
    if (futex) syscall(SYS_futex, flag, FUTEX_WAIT, seen, NULL);
  memcpy(data, way + kLine, bytes);
}

static ssize_t MovePart(int id, int sending, char* data, size_t n) {
  if (!queue) return sending ? write(id, data, n) : read(id, data, n);
  if (n > kPart) n = kPart;
  if (sending && memcpy(part.data, data, n))
    return msgsnd(id, &part, n, spin ? IPC_NOWAIT : 0) ? -1 : (ssize_t)n;
  const ssize_t got = msgrcv(id, &part, n, 0, spin ? IPC_NOWAIT : 0);
  if (got > 0) memcpy(data, part.data, (size_t)got);
  return got;
}

static void Move(int end, int sending, char* data, unsigned turn) {
  if (memory[0]) { MoveMemory(memory[end ^ sending], sending, data, turn); return; }
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = MovePart(sending ? out[end] : in[end], sending, data + done, bytes - done);
    if (n == 0) exit(1);  // The other process is gone.
    if (n < 0 && errno != EAGAIN && errno != ENOMSG) Ok(n);
    if (n > 0) done += (size_t)n;
  }
}

static void Connect(const char* mode) {
  if ((futex = !strcmp(mode, "futex")) || !strcmp(mode, "shm")) {
    const size_t size = (kLine + bytes + 4095) / 4096 * 4096;
    memory[0] = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory[0] == MAP_FAILED) Ok(-1);
    memory[1] = memory[0] + size;
  } else if ((queue = !strcmp(mode, "sysv"))) {
    for (int i = 0; i < 2; ++i) in[i] = out[!i] = (int)Ok(msgget(IPC_PRIVATE, 0600));
  } else if (!strcmp(mode, "pipe")) {
    for (int i = 0, ends[2]; i < 2; ++i) Ok(pipe(ends)), in[i] = ends[0], out[!i] = ends[1];
  } else if (!strcmp(mode, "unix")) {
    Ok(socketpair(AF_UNIX, SOCK_STREAM, 0, in)), memcpy(out, in, sizeof(in));
  } else if (!strcmp(mode, "tcp")) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    const int listener = (int)Ok(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
    Ok(bind(listener, (void*)&at, size)), Ok(listen(listener, 1));
    Ok(getsockname(listener, (void*)&at, &size)), in[0] = (int)Ok(socket(AF_INET, SOCK_STREAM, 0));
    Ok(connect(in[0], (void*)&at, size)), in[1] = (int)Ok(accept(listener, NULL, NULL));
    for (int i = 0; i < 2; ++i) Ok(setsockopt(in[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    memcpy(out, in, sizeof(in));
  } else {
    fprintf(stderr, "floor: MODE '%s' is not shm, futex, unix, pipe, sysv, tcp\n", mode), exit(2);
  }
  for (int i = 0; i < 2 && spin && !memory[0] && !queue; ++i)
    Ok(fcntl(in[i], F_SETFL, O_NONBLOCK)), Ok(fcntl(out[i], F_SETFL, O_NONBLOCK));
}

static long Nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}
static int Order(const void* a, const void* b) { return *(long*)a < *(long*)b ? -1 : 1; }
int main(int argc, char** argv) {
  const int count = argc > 3 ? atoi(argv[3]) : 0, all = count + count / 10;  // A tenth warms up.
  bytes = count > 0 ? strtoul(argv[2], NULL, 10) : 0, spin = argc > 4 && !strcmp(argv[4], "spin");
  if (!bytes) return fprintf(stderr, "use: floor MODE BYTES COUNT [block|spin [PACE]]\n"), 2;
  Connect(argv[1]);
  char* data = memset(malloc(bytes), 1, bytes);
  long* nanos = malloc((size_t)all * sizeof(long));
  const int client = Ok(fork()) != 0;
  if (!client) Ok(prctl(PR_SET_PDEATHSIG, SIGKILL));
  alarm(300);  // However the other side fails, this one ends.
  for (int i = 0; i < all; ++i) {
    if (client && argc > 5) usleep((unsigned)atoi(argv[5]));
    const long start = Nanos();
    Move(!client, client, data, (unsigned)i + 1), Move(!client, !client, data, (unsigned)i + 1);
    nanos[i] = Nanos() - start;
  }
  if (!client) return 0;
  for (int i = 0; i < 2 && queue; ++i) msgctl(in[i], IPC_RMID, NULL);
  qsort(nanos += all - count, (size_t)count, sizeof(long), Order);
  printf("mode=%s spin=%d bytes=%zu count=%d p50_ns=%ld p99_ns=%ld\n", argv[1],
         spin || (memory[0] && !futex), bytes, count, nanos[count / 2], nanos[count * 99L / 100]);
}
