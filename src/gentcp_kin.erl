%% @doc Who opens a socket, and whose descendant that is: `owner' and `ancestor' of
%% the selectors of rules go by it.
%%
%% Kin is reported to the port program only while some rule asks for it, which a
%% flag says; else it costs one look at the flag.
%% @private
-module(gentcp_kin).

-export([is_needed/0, need/1, with_kin/2, of_process/1, of_socket/2]).

%% No chain of ancestors is that long but one that goes in circles, and what is
%% sent with each socket should be short.
-define(MAX_KIN, 256).

%% @doc Whether some rule asks for kin.
-spec is_needed() -> boolean().
is_needed() ->
    persistent_term:get(?MODULE, false).

%% @doc Says whether some rule asks for kin.
-spec need(boolean()) -> ok.
need(IsNeeded) ->
    case is_needed() of
        IsNeeded -> ok;
        _ -> persistent_term:put(?MODULE, IsNeeded)
    end.

%% @doc An opening command with the kin of the process that opens, if some rule asks
%% for it.
-spec with_kin(gentcp_proto:command(), pid()) -> gentcp_proto:command().
with_kin(Command, Caller) ->
    case is_needed() of
        true -> add(Command, of_process(Caller));
        false -> Command
    end.

add({listen, Family, Address, Options}, Kin) ->
    {listen, Family, Address, Options ++ [{gentcp_kin, Kin}]};
add({connect, Family, Remote, Local, Options, Timeout}, Kin) ->
    {connect, Family, Remote, Local, Options ++ [{gentcp_kin, Kin}], Timeout};
add({fdopen, Family, Fd, Options}, Kin) ->
    {fdopen, Family, Fd, Options ++ [{gentcp_kin, Kin}]};
add({accept, Id, Timeout, hold}, Kin) ->
    {accept, Id, Timeout, hold, Kin};
add(Command, _Kin) ->
    Command.

%% @doc A process, then all of its ancestors that are known: by `$ancestors' (OTP
%% behaviours and `proc_lib'), `$callers' (Elixir's tasks), and the process that
%% spawned it. Theirs too, while they live.
-spec of_process(pid()) -> [pid(), ...].
of_process(Pid) ->
    [Pid | lists:delete(Pid, lists:reverse(closure([Pid], [])))].

%% @doc The kin of a socket with this owner that had such kin before.
-spec of_socket(pid(), [pid()]) -> [pid(), ...].
of_socket(Owner, Before) ->
    Kin = of_process(Owner),
    lists:sublist(Kin ++ [Pid || Pid <- Before, not lists:member(Pid, Kin)], ?MAX_KIN).

closure(_ToDo, Seen) when length(Seen) >= ?MAX_KIN ->
    Seen;
closure([Pid | Rest], Seen) ->
    case lists:member(Pid, Seen) of
        true -> closure(Rest, Seen);
        false -> closure(Rest ++ parents(Pid), [Pid | Seen])
    end;
closure([], Seen) ->
    Seen.

parents(Pid) when node(Pid) =:= node() ->
    case erlang:process_info(Pid, [dictionary, parent]) of
        [{dictionary, Dictionary}, {parent, Parent}] ->
            Named = named('$callers', Dictionary) ++ named('$ancestors', Dictionary),
            [P || P0 <- [Parent | Named], P <- [pid(P0)], is_pid(P)];
        undefined ->
            []
    end;
parents(_OfAnotherNode) ->
    [].

%% What anybody may have put there is a list of processes as a rule.
named(Key, Dictionary) ->
    case lists:keyfind(Key, 1, Dictionary) of
        {Key, [_ | _] = Names} ->
            try length(Names) of
                _ -> Names
            catch
                error:badarg -> []
            end;
        _ ->
            []
    end.

pid(Name) when is_atom(Name) -> whereis(Name);
pid(Pid) -> Pid.
