%% @doc Sends a file that this node has opened.
%%
%% The port program opens the file once more, by the name that Linux has for a
%% descriptor of another process. Where there is no such name the node reads
%% the file and passes it on. Neither adds a packet header.
%% @private
-module(gentcp_sendfile).

-export([send/5]).

-include_lib("kernel/include/file.hrl").

-define(CHUNK_SIZE, 256 * 1024).

-type program() :: {port(), Router :: pid()}
                 | fun((gentcp_proto:command()) -> ok | {ok, term()} | {error, term()}).
%% What a command is called with.

%% @doc `Length' 0 is up to the end of the file. Files with a layer above the
%% descriptor are `{error, enotsup}', for `file:sendfile/5' to read and send as
%% it does on a stock socket.
-spec send(program(), gentcp_proto:id(), file:fd(), non_neg_integer(), non_neg_integer()) ->
          {ok, non_neg_integer()} | {error, atom()}.
send(Program, Id, #file_descriptor{module = raw_file_io_list, data = Fd}, Offset, Length) ->
    send(Program, Id, Fd, Offset, Length);
send(Program, Id, #file_descriptor{module = prim_file} = Fd, Offset, Length) ->
    %% One that this node may not read is not read by the port program either.
    case file:pread(Fd, Offset, 1) of
        {error, Reason} -> {error, Reason};
        _ -> send_by_name(Program, Id, Fd, Offset, Length)
    end;
send(_Program, _Id, _Fd, _Offset, _Length) ->
    {error, enotsup}.

send_by_name(Program, Id, Fd, Offset, Length) ->
    try path(prim_file:get_handle(Fd)) of
        Path ->
            case call(Program, {sendfile, Id, Path, Offset, Length}) of
                {error, Reason} when Reason =:= enoent; Reason =:= eacces;
                                     Reason =:= eperm; Reason =:= enotdir ->
                    send_chunks(Program, Id, Fd, Offset, Length, 0);
                Result ->
                    Result
            end
    catch
        error:badarg -> {error, badarg}
    end.

path(<<Number:32/native-signed>>) ->
    unicode:characters_to_binary(["/proc/", os:getpid(), "/fd/", integer_to_list(Number)]).

send_chunks(Program, Id, Fd, Offset, Length, Sent) ->
    Size = case Length of
               0 -> ?CHUNK_SIZE;
               _ -> min(?CHUNK_SIZE, Length - Sent)
           end,
    case Size > 0 andalso file:pread(Fd, Offset + Sent, Size) of
        false ->
            {ok, Sent};
        eof ->
            {ok, Sent};
        {ok, Data} ->
            Chunk = iolist_to_binary(Data),
            case call(Program, {sendfile_part, Id, Chunk}) of
                ok -> send_chunks(Program, Id, Fd, Offset, Length, Sent + byte_size(Chunk));
                Error -> Error
            end;
        Error ->
            Error
    end.

call({Port, Router}, Command) ->
    gentcp_call:call(Port, Router, Command, infinity);
call(Call, Command) ->
    Call(Command).
