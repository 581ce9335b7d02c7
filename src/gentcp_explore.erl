%% @doc Explores what a fun does when something goes wrong: it runs the fun once, notes
%% each call on each of its sockets, and runs it again and again, each time with
%% one fault at one place.
%%
%% Its sockets are those of the process that runs it and of the descendants of that
%% one. They are numbered in the order in which they are opened, from 1, and accepted
%% ones count; a plan names a socket by its number.
%%
%% A run passes if the fun returns, or raises what the option `allow' allows, within
%% its time, and leaves no socket and no process behind.
%% @private
-module(gentcp_explore).

-export([run/2, replay/3, check/1, format/1]).

-export_type([option/0, plan/0, outcome/0, failure/0, verdict/0, report/0]).

-type option() :: {allow, fun((outcome()) -> boolean())}
                | {calls, [gentcp_fault:call()]}
                | {errnos, [inet:posix()]}
                | {cuts, [fin | rst | silent]}
                | {run_timeout, Ms :: pos_integer()}
                | {max_runs, non_neg_integer()}
                | {max_time, Ms :: non_neg_integer()}
                | {grace, Ms :: non_neg_integer()}
                | {progress, fun((Run :: pos_integer(), Of :: pos_integer(), plan()) -> term())}.
%% `allow' tells whether an outcome is right, and is asked of returns too; by default all
%% that return are. `calls', `errnos' and `cuts' choose the faults. A run takes
%% `run_timeout' at most, by default two seconds and ten times what the first run took, which
%% may take a minute then;
%% all of them take `max_time' (60 s) and are `max_runs' (500). `grace' (300) is how long
%% a process or socket may outlive the run.

-type plan() :: [{SocketNumber :: pos_integer(), gentcp_fault:fault()}].

-type outcome() :: {returned, term()}
                 | {raised, error | exit | throw, term()}
                 | {exited, term()}.
%% `exited' is that the process itself was killed, by a link for example.

-type failure() :: timeout
                 | {not_allowed, outcome()}
                 | {left_behind, [gentcp:socket() | pid()]}.

-type verdict() :: {passed, outcome()} | {failed, failure()}.

-type report() :: #{
    calls := [{SocketNumber :: pos_integer(), gentcp_fault:call() | in | out, Count :: pos_integer()}],
    planned := non_neg_integer(),
    runs := non_neg_integer(),
    failures := [{plan(), failure()}],
    milliseconds := non_neg_integer()
}.
%% `planned' are the runs that there would be without bounds.

%% A close can only fail in ways that its caller does not hear of.
-define(CALLS, [listen, connect, accept, send, recv]).

%% Those that their caller can give a timeout.
-define(WITH_TIMEOUT, [connect, accept, send, recv]).

-define(POLL_INTERVAL, 10).

%%
%% Exploring
%%

%% @doc Explores. `{failed, Plan, Report}' names the first plan that fails, which is
%% the simplest of them: short errors come before calls that are never answered, and
%% these before connections that are cut. An `{error, {baseline, Failure}}' is that the fun
%% fails with no fault at all, an `{error, {bad_option, Option}}' that an option is none. The
%% log of faults is emptied first.
-spec run(fun(() -> term()), [option()]) ->
          {ok, report()} | {failed, plan(), report()} | {error, term()}.
run(Fun, Options) when is_function(Fun, 0) ->
    case check(Options) of
        ok -> run_checked(Fun, Options);
        {error, _} = Error -> Error
    end.

run_checked(Fun, Options) ->
    Start = now_ms(),
    ok = gentcp_fault:clear_log(),
    FirstTimeout = proplists:get_value(run_timeout, Options, 60_000),
    case attempt(Fun, [{{ancestor, self}, record}], FirstTimeout, Options) of
        {{failed, Failure}, _Rules} ->
            {error, {baseline, Failure}};
        {error, _} = Error ->
            Error;
        {{passed, _}, [Rule]} ->
            Recorded = numbered([E || #{rule := R} = E <- gentcp_fault:log(), R =:= Rule]),
            Plans = plans(Recorded, Options),
            Took = now_ms() - Start,
            Timeout = proplists:get_value(run_timeout, Options, 2000 + 10 * Took),
            Bounds = {Start + proplists:get_value(max_time, Options, 60_000), Timeout},
            Allowed = lists:sublist(Plans, proplists:get_value(max_runs, Options, 500)),
            {Runs, Failures} = explore(Fun, Allowed, 0, length(Allowed), [], Bounds, Options),
            Report = #{calls => counts(Recorded), planned => length(Plans), runs => Runs,
                       failures => Failures, milliseconds => now_ms() - Start},
            case Failures of
                [] -> {ok, Report};
                [{Plan, _} | _] -> {failed, Plan, Report}
            end
    end.

explore(Fun, [Plan | Rest], Done, Of, Failures, {Until, Timeout} = Bounds, Options) ->
    case now_ms() < Until of
        true ->
            Progress = proplists:get_value(progress, Options, fun(_, _, _) -> ok end),
            _ = Progress(Done + 1, Of, Plan),
            Failures1 = case attempt(Fun, rules(Plan), Timeout, Options) of
                            {{failed, Failure}, _} -> [{Plan, Failure} | Failures];
                            {{passed, _}, _} -> Failures;
                            {error, Reason} -> erlang:error(Reason)
                        end,
            explore(Fun, Rest, Done + 1, Of, Failures1, Bounds, Options);
        false ->
            {Done, lists:reverse(Failures)}
    end;
explore(_Fun, [], Done, _Of, Failures, _Bounds, _Options) ->
    {Done, lists:reverse(Failures)}.

%% @doc Runs a fun under one plan. `run_timeout', `allow' and `grace' count here too.
-spec replay(fun(() -> term()), plan(), [option()]) -> verdict().
replay(Fun, Plan, Options) ->
    _ = [erlang:error(Reason, [Fun, Plan, Options]) || {error, Reason} <- [check(Options)]],
    Timeout = proplists:get_value(run_timeout, Options, 5000),
    case attempt(Fun, rules(Plan), Timeout, Options) of
        {error, Reason} -> erlang:error(Reason, [Fun, Plan, Options]);
        {Verdict, _Rules} -> Verdict
    end.

%% @doc Tells which option is wrong, if one is.
-spec check(term()) -> ok | {error, {bad_option, term()} | gentcp_fault:bad_fault() | atom()}.
check([Option | Rest]) ->
    case check_option(Option) of
        true -> check(Rest);
        false -> {error, {bad_option, Option}};
        {error, _} = Error -> Error
    end;
check([]) ->
    ok;
check(NoList) ->
    {error, {bad_option, NoList}}.

check_option({allow, Allow}) -> is_function(Allow, 1);
check_option({progress, Progress}) -> is_function(Progress, 3);
check_option({calls, Calls}) -> all_of(Calls, [close | ?CALLS]);
check_option({cuts, Cuts}) -> all_of(Cuts, [fin, rst, silent]);
check_option({errnos, Errnos}) when is_list(Errnos) ->
    %% A rule for no socket shows whether they are some.
    case gentcp_fault:add({any_of, []}, [{recv, {error, Errno}} || Errno <- Errnos]) of
        {ok, Rule} -> gentcp_fault:remove(Rule) =:= ok;
        {error, _} = Error -> Error
    end;
check_option({run_timeout, Ms}) -> is_integer(Ms) andalso Ms > 0;
check_option({Bound, N}) when Bound =:= max_runs; Bound =:= max_time; Bound =:= grace ->
    is_integer(N) andalso N >= 0;
check_option(_) -> false.

all_of(Wanted, Known) -> is_list(Wanted) andalso Wanted -- (Wanted -- Known) =:= Wanted.

rules(Plan) ->
    [{{nth, Number, {ancestor, self}}, Fault} || {Number, Fault} <- Plan].

%%
%% Plans
%%

%% The entries of a log, with the number of their socket in place of its id.
numbered(Entries) ->
    Ids = lists:usort([Id || #{id := Id} <- Entries]),
    Numbers = maps:from_list(
                lists:append([lists:zip(OfPort, lists:seq(1, length(OfPort)))
                              || Port <- lists:usort([Port || {Port, _} <- Ids]),
                                 OfPort <- [[Id || {P, _} = Id <- Ids, P =:= Port]]])),
    [{maps:get(Id, Numbers), At} || #{id := Id, at := At} <- Entries].

counts(Recorded) ->
    Kinds = [{Number, kind(At)} || {Number, At} <- Recorded],
    [{Number, Kind, length([K || K <- Kinds, K =:= Key])}
     || {Number, Kind} = Key <- lists:usort(Kinds)].

kind({Way, _Offset, _Size}) -> Way;
kind({Way, _Offset}) -> Way;
kind(Call) -> Call.

%% What answers soon comes first.
plans(Recorded, Options) ->
    Wanted = proplists:get_value(calls, Options, ?CALLS),
    Places = [{Number, Call, N} || {Number, Call, Count} <- counts(Recorded),
                                   lists:member(Call, Wanted), N <- lists:seq(1, Count)],
    Sliced = [[{Number, {in, {slice, 1}}}] || {Number, in, _} <- counts(Recorded)],
    Errors = [[{Number, {nth, N, {Call, {error, Errno}}}}]
              || {Number, Call, N} <- Places, Errno <- errnos(Call, Options)],
    Never = [[{Number, {nth, N, {Call, never}}}]
             || {Number, Call, N} <- Places, lists:member(Call, ?WITH_TIMEOUT)],
    Cuts = [[{Number, {Way, {cut, {bytes, Offset}, How}}}]
            || How <- proplists:get_value(cuts, Options, [rst, fin, silent]),
               {Number, Way, Offset} <- offsets(Recorded)],
    Sliced ++ Errors ++ Cuts ++ Never.

errnos(Call, Options) ->
    case proplists:get_value(errnos, Options) of
        undefined -> usual(Call);
        Errnos -> Errnos
    end.

usual(listen) -> [eaddrinuse, emfile];
usual(connect) -> [econnrefused, etimedout, emfile];
usual(accept) -> [emfile, econnaborted];
usual(send) -> [econnreset, etimedout];
usual(recv) -> [econnreset, etimedout];
usual(close) -> [].

%% Before and behind each piece of the stream, and in its midst.
offsets(Recorded) ->
    lists:usort(lists:append(
        [[{Number, Way, Offset}, {Number, Way, Offset + Size div 2}, {Number, Way, Offset + Size}]
         || {Number, {Way, Offset, Size}} <- Recorded])).

%%
%% One run
%%

%% The process waits until it is watched and under its rules. It stays until all has
%% been looked at: what it owns would go with it.
attempt(Fun, Rules0, Timeout, Options) ->
    Explorer = self(),
    Ref = make_ref(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        receive {Ref, go} -> ok end,
        Outcome = try {returned, Fun()}
                  catch Class:Reason -> {raised, Class, Reason}
                  end,
        Explorer ! {Ref, Outcome},
        receive {Ref, leave} -> ok end
    end),
    Family = watch(Pid),
    try add([{bind(Selector, Pid), Fault} || {Selector, Fault} <- Rules0], []) of
        {ok, Rules} ->
            try
                Pid ! {Ref, go},
                {verdict(await(Ref, Monitor, Timeout), Family, Options), Rules}
            after
                lists:foreach(fun gentcp_fault:remove/1, Rules)
            end;
        {error, _} = Error ->
            Error
    after
        true = erlang:demonitor(Monitor, [flush]),
        kill([Pid]),
        kill_members(Family),
        dismiss(Family)
    end.

bind({ancestor, self}, Pid) -> {ancestor, Pid};
bind({nth, N, Selector}, Pid) -> {nth, N, bind(Selector, Pid)}.

add([{Selector, Fault} | Rest], Rules) ->
    case gentcp_fault_server:add(Selector, Fault, self()) of
        {ok, Rule} ->
            add(Rest, [Rule | Rules]);
        {error, _} = Error ->
            lists:foreach(fun gentcp_fault:remove/1, Rules),
            Error
    end;
add([], Rules) ->
    {ok, lists:reverse(Rules)}.

await(Ref, Monitor, Timeout) ->
    receive
        {Ref, Outcome} -> Outcome;
        {'DOWN', Monitor, process, _Pid, Reason} -> {exited, Reason}
    after Timeout ->
        timeout
    end.

verdict(timeout, _Family, _Options) ->
    {failed, timeout};
verdict(Outcome, Family, Options) ->
    Allow = proplists:get_value(allow, Options, fun({returned, _}) -> true; (_) -> false end),
    case Allow(Outcome) of
        true ->
            Grace = proplists:get_value(grace, Options, 300),
            case left_behind(Family, now_ms() + Grace) of
                [] -> {passed, Outcome};
                Left -> {failed, {left_behind, Left}}
            end;
        false ->
            {failed, {not_allowed, Outcome}}
    end.

left_behind({First, _} = Family, Until) ->
    Members = members(Family),
    Sockets = [S || S <- gentcp:which_sockets(), #{owner := Owner} <- [gentcp:info(S)],
                    lists:member(Owner, [First | Members])],
    case Sockets ++ [Pid || Pid <- Members, is_process_alive(Pid)] of
        [] ->
            [];
        Left ->
            case now_ms() < Until of
                true ->
                    timer:sleep(?POLL_INTERVAL),
                    left_behind(Family, Until);
                false ->
                    Left
            end
    end.

%%
%% The descendants of a process, which are known by tracing what it spawns
%%

watch(Pid) ->
    Explorer = self(),
    Tracer = spawn(fun() -> note(erlang:monitor(process, Explorer), [Pid]) end),
    1 = erlang:trace(Pid, true, [procs, set_on_spawn, {tracer, Tracer}]),
    {Pid, Tracer}.

%% Pids has the process itself as its last one.
note(Explorer, Pids) ->
    receive
        {trace, _Parent, spawn, Child, _MFA} -> note(Explorer, [Child | Pids]);
        {members, From, Ref} -> From ! {Ref, lists:droplast(Pids)}, note(Explorer, Pids);
        {'DOWN', Explorer, process, _, _} -> abandon(Pids);
        stop -> ok;
        _OtherEvent -> note(Explorer, Pids)
    end.

%% The explorer was killed: nobody else ends what it has begun.
abandon([]) ->
    ok;
abandon(Pids) ->
    kill(Pids),
    Delivered = erlang:trace_delivered(all),
    abandon(spawned(Delivered, [])).

spawned(Delivered, Pids) ->
    receive
        {trace, _Parent, spawn, Child, _MFA} -> spawned(Delivered, [Child | Pids]);
        {trace_delivered, all, Delivered} -> Pids
    end.

members({_Pid, Tracer}) ->
    Delivered = erlang:trace_delivered(all),
    receive {trace_delivered, all, Delivered} -> ok end,
    Ref = make_ref(),
    Tracer ! {members, self(), Ref},
    receive {Ref, Pids} -> Pids end.

dismiss({_Pid, Tracer}) ->
    Tracer ! stop,
    ok.

%% Gone when this returns, so that nothing of this run meets the next one.
kill_members(Family) ->
    case [Pid || Pid <- members(Family), is_process_alive(Pid)] of
        [] -> ok;
        Alive -> kill(Alive), kill_members(Family)
    end.

kill(Pids) ->
    lists:foreach(fun(Pid) ->
        Monitor = erlang:monitor(process, Pid),
        exit(Pid, kill),
        receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end, Pids).

now_ms() ->
    erlang:monotonic_time(millisecond).

%%
%% Printing
%%

%% @doc A report for people.
-spec format(report()) -> iolist().
format(#{runs := Runs, planned := Planned, failures := Failures, milliseconds := Ms,
         calls := Calls}) ->
    [io_lib:format("~b of ~b runs in ~b ms, ~b failed~n", [Runs, Planned, Ms, length(Failures)]),
     [io_lib:format("  socket ~b: ~b x ~s~n", [Number, Count, Kind])
      || {Number, Kind, Count} <- Calls],
     [io_lib:format("  ~0tp~n    ~0tP~n", [Plan, Failure, 30]) || {Plan, Failure} <- Failures]].
