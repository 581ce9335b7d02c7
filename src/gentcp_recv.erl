%% @doc A `recv' that asks the port program, since there was no packet on loan for it.
%% @private
-module(gentcp_recv).

-export([recv/4]).

-spec recv(gentcp_port:socket(), gentcp_call:shared(), non_neg_integer(), timeout()) ->
          {ok, term()} | {error, atom()}.
recv({'$inet', gentcp, {_, Id, _}} = S, Shared, Length, Timeout) ->
    case gentcp_call:ask_input(S, Shared, {recv, Id, Length, Timeout}, Timeout) of
        {ok, {ssl_tls, Id, Type, Version, Data}} ->
            {ok, {ssl_tls, S, Type, Version, Data}};
        {error, {ealready, Tag}} ->
            withdraw_dead(S, Shared, Tag, Length, Timeout);
        Result ->
            Result
    end.

%% Another recv is waiting; but a process that was killed in it waits no more, nor does this one in
%% an earlier recv whose time is over.
withdraw_dead({'$inet', gentcp, {Port, _, _}} = S, Shared, Tag, Length, Timeout) ->
    case is_binary(Tag) andalso gentcp_proto:caller(Tag) of
        {_Alias, Receiver, _Id} when is_pid(Receiver) ->
            case Receiver =/= self() andalso is_process_alive(Receiver) of
                true ->
                    {error, ealready};
                false ->
                    _ = gentcp_call:write(Port, gentcp_proto:cast({cancel, Tag}), infinity),
                    recv(S, Shared, Length, Timeout)
            end;
        _ ->
            {error, ealready}
    end.
