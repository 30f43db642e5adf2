# nearcall_generate(TARGET <target>
#                   [PROTOS <file>...] [IMPORT_DIRS <dir>...] [OUT_DIR <dir>]
#                   [GRPC_COMPAT] [MOCKS] [PLUGIN_OPTIONS <option>...])
#
# Compiles the .proto files among the target's sources, and those of PROTOS, to
# NAME.pb.{h,cc} and NAME.nearcall.pb.{h,cc}, adds these to the target, their
# folder to its include directories, and links nearcall. They are generated again
# when a .proto, one that it imports, or the generator changes.
#
#   PROTOS          more .proto files, for example of other folders
#   IMPORT_DIRS     where imports are looked up, in order; the current source
#                   folder comes after them. A file in one of these is named by its
#                   path below the first that holds it, one in none by its file name.
#   OUT_DIR         where the generated files go; default
#                   ${CMAKE_CURRENT_BINARY_DIR}/<target>.protos
#   GRPC_COMPAT     NAME.grpc.pb.{h,cc} instead, for programs written for gRPC
#   MOCKS           also NAME_mock.nearcall.pb.h, with GoogleMock classes
#   PLUGIN_OPTIONS  passed on to protoc-gen-nearcall: services_namespace=rpc
#
# Relative paths count from the current source folder. Call it in the folder that
# creates the target.

# Run as a script after protoc: puts a backslash before the blanks in the paths of
# the dependency file, which protoc leaves out. It has one path a line, and
# "output: input" where the inputs begin.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ ${NEARCALL_DEPFILE} text)
  string(REGEX REPLACE " ?\\\\\n *" "\n" text "${text}")
  string(REGEX REPLACE "(\\.(h|cc)): " "\\1:\n" text "${text}")
  string(REPLACE " " "\\ " text "${text}")
  string(REPLACE "\n" " \\\n" text "${text}")
  file(WRITE ${NEARCALL_DEPFILE} "${text}\n")
  return()
endif()

include_guard(GLOBAL)
set(_NEARCALL_GENERATE_FILE ${CMAKE_CURRENT_LIST_FILE})
# Of this file's functions only: DEPFILE and target paths behave as in CMake 3.25
# whatever the caller's cmake_minimum_required.
cmake_policy(VERSION 3.25)

function(nearcall_generate)
  cmake_parse_arguments(PARSE_ARGV 0 arg "GRPC_COMPAT;MOCKS" "TARGET;OUT_DIR"
    "PROTOS;IMPORT_DIRS;PLUGIN_OPTIONS")
  _nearcall_check_arguments()

  _nearcall_absolute(import_dirs ${arg_IMPORT_DIRS})
  foreach(dir IN LISTS import_dirs)
    if(NOT IS_DIRECTORY ${dir})
      message(FATAL_ERROR "nearcall_generate: IMPORT_DIRS names ${dir}, which is not a folder.")
    endif()
  endforeach()
  list(APPEND import_dirs ${CMAKE_CURRENT_SOURCE_DIR})
  _nearcall_find_protos(protos)

  if(arg_OUT_DIR)
    cmake_path(ABSOLUTE_PATH arg_OUT_DIR BASE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR} NORMALIZE)
  else()
    set(arg_OUT_DIR ${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}.protos)
  endif()
  set(suffix .nearcall.pb)
  set(options ${arg_PLUGIN_OPTIONS})
  if(arg_GRPC_COMPAT)
    set(suffix .grpc.pb)
    list(APPEND options grpc_compat=true)
  endif()
  if(arg_MOCKS)
    list(APPEND options generate_mock_code=true)
  endif()
  list(TRANSFORM options PREPEND --nearcall_opt=)

  foreach(proto IN LISTS protos)
    _nearcall_add_command(${proto})
  endforeach()

  target_include_directories(${arg_TARGET} PUBLIC $<BUILD_INTERFACE:${arg_OUT_DIR}>)
  # By property, because target_link_libraries would impose its keyword form on
  # the caller's own calls.
  foreach(property IN ITEMS LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
    set_property(TARGET ${arg_TARGET} APPEND PROPERTY ${property}
      nearcall::nearcall protobuf::libprotobuf)
  endforeach()
endfunction()

# The rest serves the function above and sees its variables.

function(_nearcall_check_arguments)
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "nearcall_generate: unknown arguments: ${arg_UNPARSED_ARGUMENTS}. "
      "It takes TARGET, PROTOS, IMPORT_DIRS, OUT_DIR, GRPC_COMPAT, MOCKS and PLUGIN_OPTIONS.")
  endif()
  if(arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "nearcall_generate: no value after ${arg_KEYWORDS_MISSING_VALUES}.")
  endif()
  if(NOT arg_TARGET)
    message(FATAL_ERROR "nearcall_generate: TARGET is missing; "
      "write nearcall_generate(TARGET <library or executable>).")
  endif()
  if(NOT TARGET ${arg_TARGET})
    message(FATAL_ERROR "nearcall_generate: '${arg_TARGET}' is not a target; "
      "call add_library or add_executable before.")
  endif()
  get_target_property(type ${arg_TARGET} TYPE)
  if(NOT type MATCHES "^(STATIC|SHARED|MODULE|OBJECT)_LIBRARY$|^EXECUTABLE$")
    message(FATAL_ERROR "nearcall_generate: '${arg_TARGET}' has type ${type} and compiles nothing; "
      "use a library with sources or an executable.")
  endif()
  get_target_property(dir ${arg_TARGET} SOURCE_DIR)
  if(NOT dir STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    message(FATAL_ERROR "nearcall_generate: '${arg_TARGET}' belongs to ${dir}; "
      "call nearcall_generate in the CMakeLists.txt there.")
  endif()
  foreach(needed IN ITEMS nearcall::protoc-gen-nearcall nearcall::nearcall
      protobuf::protoc protobuf::libprotobuf)
    if(NOT TARGET ${needed})
      message(FATAL_ERROR "nearcall_generate: there is no target ${needed}; "
        "call find_package(nearcall REQUIRED) before.")
    endif()
  endforeach()
endfunction()

function(_nearcall_absolute out)
  set(paths)
  foreach(path IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    string(REGEX REPLACE "(.)/$" "\\1" path "${path}")
    list(APPEND paths "${path}")
  endforeach()
  set(${out} "${paths}" PARENT_SCOPE)
endfunction()

function(_nearcall_find_protos out)
  get_target_property(sources ${arg_TARGET} SOURCES)
  if(NOT sources)
    set(sources)
  endif()
  list(FILTER sources INCLUDE REGEX "\\.proto$")
  _nearcall_absolute(protos ${sources} ${arg_PROTOS})
  list(REMOVE_DUPLICATES protos)
  if(NOT protos)
    message(FATAL_ERROR "nearcall_generate: '${arg_TARGET}' has no .proto among its sources; "
      "add one to it, or name it after PROTOS.")
  endif()
  foreach(proto IN LISTS protos)
    get_source_file_property(generated ${proto} GENERATED)
    if(NOT EXISTS ${proto} AND NOT generated)
      message(FATAL_ERROR "nearcall_generate: ${proto} does not exist "
        "(a source of '${arg_TARGET}', or named after PROTOS).")
    endif()
  endforeach()
  set(${out} "${protos}" PARENT_SCOPE)
endfunction()

function(_nearcall_add_command proto)
  set(dirs ${import_dirs})
  set(root)
  foreach(dir IN LISTS dirs)
    cmake_path(IS_PREFIX dir ${proto} inside)
    if(inside)
      set(root ${dir})
      break()
    endif()
  endforeach()
  if(NOT root)
    cmake_path(GET proto PARENT_PATH root)
    list(APPEND dirs ${root})
  endif()
  cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${root} OUTPUT_VARIABLE name)
  string(REGEX REPLACE "\\.proto$" "" base ${name})

  set(path ${arg_OUT_DIR}/${base})
  # Ninja wants the first one to be the first of protoc's dependency file, too,
  # which goes by the alphabet.
  set(outputs ${path}${suffix}.cc ${path}${suffix}.h ${path}.pb.cc ${path}.pb.h)
  if(arg_MOCKS)
    list(APPEND outputs ${path}_mock${suffix}.h)
  endif()
  foreach(output IN LISTS outputs)
    get_property(other GLOBAL PROPERTY "NEARCALL_SOURCE_OF_${output}")
    if(other)
      message(FATAL_ERROR "nearcall_generate: ${proto} (target '${arg_TARGET}') and ${other} "
        "would both be compiled to ${output}. Rename one, or give IMPORT_DIRS or OUT_DIR so that they differ.")
    endif()
    set_property(GLOBAL PROPERTY "NEARCALL_SOURCE_OF_${output}" "${proto} (target '${arg_TARGET}')")
  endforeach()

  set(escape_depfile)
  if("${path}${proto}${dirs}" MATCHES " ")
    set(escape_depfile COMMAND ${CMAKE_COMMAND} -DNEARCALL_DEPFILE=${path}.d -P ${_NEARCALL_GENERATE_FILE})
  endif()
  list(TRANSFORM dirs PREPEND -I)
  cmake_path(GET path PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${outputs}
    # Again at build time: the folder may have been removed since.
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND protobuf::protoc
      --plugin=protoc-gen-nearcall=$<TARGET_FILE:nearcall::protoc-gen-nearcall>
      --cpp_out=${arg_OUT_DIR} --nearcall_out=${arg_OUT_DIR} ${options}
      --dependency_out=${path}.d ${dirs} ${proto}
    ${escape_depfile}
    DEPENDS ${proto} nearcall::protoc-gen-nearcall
    DEPFILE ${path}.d
    COMMENT "Generating ${base}.pb and ${base}${suffix}"
    VERBATIM)
  target_sources(${arg_TARGET} PRIVATE ${outputs})
endfunction()
