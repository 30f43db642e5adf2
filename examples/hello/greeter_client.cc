// Makes one call and prints the reply.
#include <iostream>

#include "greeter_call.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "use: " << argv[0] << " TARGET NAME\n"
              << "TARGET: where the server is, such as shm:greeter or "
                 "unix:greeter, or a name from the configuration\n";
    return 2;
  }
  return Greet(argv[1], argv[2]);
}
