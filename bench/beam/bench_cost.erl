%% What the BEAM and the port program cost: CPU for a fixed amount of traffic,
%% and memory.
-module(bench_cost).

-export([cpu/1, memory/0, megabytes/1, per_connection/3]).
-export_type([memory/0]).

-type memory() :: #{beam := non_neg_integer(), port := non_neg_integer() | none}.

%% Runs another measurement of `count' messages, named by `of', and says what
%% a million of its messages costs in CPU seconds.
-spec cpu(map()) -> #{beam := float(), port := float() | none}.
cpu(#{'of' := {Module, Function}, count := Count} = Args) ->
    Port0 = port_cpu(),
    {Beam0, _} = erlang:statistics(runtime),
    _ = Module:Function(Args),
    {Beam, _} = erlang:statistics(runtime),
    Port = port_cpu(),
    #{beam => (Beam - Beam0) * 1000 / Count,
      port => case Port of
                  none -> none;
                  _ -> (Port - Port0) * 1000 / Count
              end}.

%% User and system CPU of the port programs, in milliseconds.
port_cpu() ->
    sum(fun(Pid) ->
                {ok, Stat} = file:read_file(["/proc/", integer_to_list(Pid), "/stat"]),
                %% The command name may hold anything: fields count from its end.
                [_, Fields] = string:split(Stat, ") ", trailing),
                Words = string:lexemes(Fields, " "),
                Ticks = [binary_to_integer(lists:nth(N, Words)) || N <- [12, 13]],
                lists:sum(Ticks) * 10 % USER_HZ is 100
        end).

%% Live memory of the BEAM, and resident memory of the port programs, in bytes.
-spec memory() -> memory().
memory() ->
    _ = [garbage_collect(Pid) || Pid <- processes()],
    #{beam => erlang:memory(total), port => sum(fun resident/1)}.

resident(Pid) ->
    {ok, Status} = file:read_file(["/proc/", integer_to_list(Pid), "/status"]),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+(\\d+) kB", [{capture, [1], binary}]),
    binary_to_integer(Kilobytes) * 1024.

sum(Measure) ->
    case bench_driver:port_programs() of
        [] -> none;
        Pids -> lists:sum(lists:map(Measure, Pids))
    end.

-spec megabytes(memory()) -> #{beam_mb := float(), port_mb := float() | none}.
megabytes(#{beam := Beam, port := Port}) ->
    #{beam_mb => Beam / 1048576,
      port_mb => case Port of
                     none -> none;
                     _ -> Port / 1048576
                 end}.

%% Kilobytes that each of N connections takes, from before and after.
-spec per_connection(memory(), memory(), pos_integer()) ->
          #{beam_kb := float(), port_kb := float() | none}.
per_connection(Before, After, N) ->
    #{beam_kb => (maps:get(beam, After) - maps:get(beam, Before)) / N / 1024,
      port_kb => case After of
                     #{port := none} -> none;
                     #{port := Port} -> (Port - maps:get(port, Before)) / N / 1024
                 end}.
