# Warnings and sanitizers for the project's own targets.
if(NEARCALL_SANITIZE STREQUAL "address")
  set(_nearcall_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(NEARCALL_SANITIZE STREQUAL "thread")
  set(_nearcall_sanitize -fsanitize=thread -fno-omit-frame-pointer)
  # protobuf's map fields have two members more where the compiler says that it
  # instruments, and Debian's libprotobuf was built without them: each side would
  # read the other's maps at wrong places. libstdc++ needs to know all the same.
  add_compile_definitions(_GLIBCXX_TSAN=1)
  add_compile_options(-U__SANITIZE_THREAD__)
elseif(NEARCALL_SANITIZE)
  message(FATAL_ERROR "NEARCALL_SANITIZE is '${NEARCALL_SANITIZE}': use address, thread or nothing")
endif()
if(NEARCALL_SANITIZE)
  add_compile_definitions(NEARCALL_SANITIZE_${NEARCALL_SANITIZE})
  add_compile_options(${_nearcall_sanitize})
  add_link_options(${_nearcall_sanitize})
endif()

function(nearcall_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra)
  if(NEARCALL_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
endfunction()
