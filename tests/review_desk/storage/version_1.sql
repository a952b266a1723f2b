BEGIN TRANSACTION;
CREATE TABLE assignments (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	task VARCHAR(64) NOT NULL, 
	loop_id INTEGER NOT NULL, 
	worker_id INTEGER NOT NULL, 
	session_sha256 VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	accepted_ms BIGINT NOT NULL, 
	limit_ms BIGINT NOT NULL, 
	lease_expires_ms BIGINT NOT NULL, 
	submitted_ms BIGINT, 
	answer TEXT, 
	decline_reason VARCHAR(500), 
	UNIQUE (loop_id, worker_id), 
	UNIQUE (task), 
	FOREIGN KEY(loop_id) REFERENCES human_loops (id) ON DELETE CASCADE, 
	FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "assignments" VALUES(1,'s13G7ShcSINVD37dEQdoSLI1m-RlepNO',1,1,'abe5ff5be3495f1d5bcc342b405cce62d91b59324b63765cadfbe87ec9d233de','answered',1795000016000,1795003616000,1795003616000,1795000017000,'{"note":"done"}',NULL);
INSERT INTO "assignments" VALUES(2,'CGhgcM8NxcYWzGdPwTj0MKXFnlYlOO1W',2,1,'abe5ff5be3495f1d5bcc342b405cce62d91b59324b63765cadfbe87ec9d233de','answered',1795000023000,1795003623000,1795003623000,1795000024000,'{"note":"it''s 🩸"}',NULL);
INSERT INTO "assignments" VALUES(3,'g2Sap2_ZpGOZEwBMNsHlqbAXKu4QWGU6',3,1,'abe5ff5be3495f1d5bcc342b405cce62d91b59324b63765cadfbe87ec9d233de','working',1795000027000,1795003627000,1795003627000,NULL,NULL,NULL);
INSERT INTO "assignments" VALUES(4,'jZE8VomlzAe7M_9KngNW4nlR5TqDWXAf',4,2,'b9b81d8f2c4d7d7704510a853dc8fe5f4e175395bda525fbcdbb29794e95f13f','declined',1795000030000,1795003630000,1795003630000,NULL,NULL,'too blurred');
CREATE TABLE flow_definitions (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(63) NOT NULL, 
	live_name VARCHAR(63), 
	status VARCHAR(16) NOT NULL, 
	team_id INTEGER NOT NULL, 
	human_task_ui VARCHAR(63) NOT NULL, 
	config TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	UNIQUE (live_name)
);
INSERT INTO "flow_definitions" VALUES(1,'nightly','nightly','Active',1,'notes','{"HumanLoopConfig": {"WorkteamArn": "arn:aws:sagemaker:us-east-1:111122223333:workteam/private-crowd/night", "HumanTaskUiArn": "arn:aws:sagemaker:us-east-1:111122223333:human-task-ui/notes", "TaskTitle": "Check", "TaskDescription": "Check the text.", "TaskCount": 1}, "OutputConfig": {"S3OutputPath": "s3://bucket/reviews"}, "RoleArn": "arn:aws:iam::111122223333:role/a2i"}',1795000004000);
CREATE TABLE human_loops (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(63) NOT NULL, 
	live_name VARCHAR(63), 
	flow_id INTEGER NOT NULL, 
	flow_name VARCHAR(63) NOT NULL, 
	team_id INTEGER NOT NULL, 
	template_sha256 VARCHAR(64) NOT NULL, 
	input_content TEXT NOT NULL, 
	data_attributes TEXT NOT NULL, 
	output_uri TEXT NOT NULL, 
	task_count INTEGER NOT NULL, 
	open_slots INTEGER NOT NULL, 
	answers INTEGER DEFAULT 0 NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	failure_code VARCHAR(32), 
	failure_reason VARCHAR(1024), 
	created_ms BIGINT NOT NULL, 
	available_until_ms BIGINT NOT NULL, 
	ended_ms BIGINT, 
	deleted_ms BIGINT, 
	UNIQUE (live_name), 
	FOREIGN KEY(flow_id) REFERENCES flow_definitions (id), 
	FOREIGN KEY(template_sha256) REFERENCES templates (sha256)
);
INSERT INTO "human_loops" VALUES(1,'completed','completed',1,'nightly',1,'f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','{"text": "it''s completed \ud83e\ude78"}','{}','s3://bucket/reviews/nightly/2026/11/18/11/06/45/completed/output.json',1,0,1,'Completed',NULL,NULL,1795000005000,1795864005000,1795000020000,NULL);
INSERT INTO "human_loops" VALUES(2,'unwritten','unwritten',1,'nightly',1,'f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','{"text": "it''s unwritten \ud83e\ude78"}','{}','s3://bucket/reviews/nightly/2026/11/18/11/06/46/unwritten/output.json',1,0,1,'InProgress',NULL,NULL,1795000006000,1795864006000,NULL,NULL);
INSERT INTO "human_loops" VALUES(3,'in-work','in-work',1,'nightly',1,'f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','{"text": "it''s in-work \ud83e\ude78"}','{}','s3://bucket/reviews/nightly/2026/11/18/11/06/47/in-work/output.json',1,0,0,'InProgress',NULL,NULL,1795000007000,1795864007000,NULL,NULL);
INSERT INTO "human_loops" VALUES(4,'declined','declined',1,'nightly',1,'f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','{"text": "it''s declined \ud83e\ude78"}','{}','s3://bucket/reviews/nightly/2026/11/18/11/06/48/declined/output.json',1,1,0,'InProgress',NULL,NULL,1795000008000,1795864008000,NULL,NULL);
INSERT INTO "human_loops" VALUES(5,'waiting','waiting',1,'nightly',1,'f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','{"text": "it''s waiting \ud83e\ude78"}','{}','s3://bucket/reviews/nightly/2026/11/18/11/06/49/waiting/output.json',1,1,0,'InProgress',NULL,NULL,1795000009000,1795864009000,NULL,NULL);
CREATE TABLE human_task_uis (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(63) NOT NULL, 
	template_sha256 VARCHAR(64) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	UNIQUE (name), 
	FOREIGN KEY(template_sha256) REFERENCES templates (sha256)
);
INSERT INTO "human_task_uis" VALUES(1,'notes','f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47',1795000003000);
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','1');
CREATE TABLE operation_counts (
	operation VARCHAR(80) NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (operation)
);
INSERT INTO "operation_counts" VALUES('StartHumanLoop',1);
CREATE TABLE outbox (
	loop_id INTEGER NOT NULL, 
	final_status VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_attempt_ms BIGINT NOT NULL, 
	queued_ms BIGINT NOT NULL, 
	last_error VARCHAR(200), 
	PRIMARY KEY (loop_id), 
	FOREIGN KEY(loop_id) REFERENCES human_loops (id) ON DELETE CASCADE
);
INSERT INTO "outbox" VALUES(2,'Completed',0,1795000024000,1795000024000,NULL);
CREATE TABLE sessions (
	token_sha256 VARCHAR(64) NOT NULL, 
	worker_id INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	PRIMARY KEY (token_sha256), 
	FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "sessions" VALUES('abe5ff5be3495f1d5bcc342b405cce62d91b59324b63765cadfbe87ec9d233de',1,1795000010000,1795043210000);
INSERT INTO "sessions" VALUES('b9b81d8f2c4d7d7704510a853dc8fe5f4e175395bda525fbcdbb29794e95f13f',2,1795000012000,1795043212000);
CREATE TABLE tags (
	resource VARCHAR(160) NOT NULL, 
	"key" VARCHAR(128) NOT NULL, 
	value VARCHAR(256) NOT NULL, 
	PRIMARY KEY (resource, "key")
);
INSERT INTO "tags" VALUES('human-task-ui/notes','project','second-look');
CREATE TABLE team_members (
	team_id INTEGER NOT NULL, 
	worker_id INTEGER NOT NULL, 
	PRIMARY KEY (team_id, worker_id), 
	FOREIGN KEY(team_id) REFERENCES workteams (id) ON DELETE CASCADE, 
	FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "team_members" VALUES(1,1);
INSERT INTO "team_members" VALUES(1,2);
CREATE TABLE templates (
	sha256 VARCHAR(64) NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "templates" VALUES('f855a74aa4910ce36cc25d536e4d3fae56baed8294e2820605747cd613039c47','<script src="https://assets.crowd.aws/crowd-html-elements.js"></script><crowd-form><crowd-text-area name="note">{{ task.input.text }}</crowd-text-area></crowd-form>');
CREATE TABLE workers (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(128) NOT NULL, 
	password_hash TEXT NOT NULL, 
	public_id VARCHAR(32) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	UNIQUE (name), 
	UNIQUE (public_id), 
	UNIQUE (subject)
);
INSERT INTO "workers" VALUES(1,'ana','$argon2id$v=19$m=19456,t=2,p=1$baVqu7/C4z8sp5kWTDxJfg$T7yRTPvJpWEEbB42fWadQawOXzluNBAOJP4e1AZsxwc','e2165dd44cd255c4','87e28c92-bc59-48d3-bc79-025947a9b512',1795000001000);
INSERT INTO "workers" VALUES(2,'ben','$argon2id$v=19$m=19456,t=2,p=1$uiCjccXGC6usJ3O5kXK/9Q$S3Iq1t7ZsL3lPnPQqv72K/YrsWcwdYVr7iFKM9mTysU','ceccb4764121e6c2','c1d0bffc-bb3a-4f93-a0f4-e5720cfdf444',1795000002000);
CREATE TABLE workteams (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(63) NOT NULL, 
	description TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	UNIQUE (name)
);
INSERT INTO "workteams" VALUES(1,'night','Reviewers of the team night','{"MemberDefinitions": [{"OidcMemberDefinition": {"Groups": ["night"]}}]}',1795000001000,1795000001000);
CREATE INDEX ix_flow_definitions_team_id ON flow_definitions (team_id);
CREATE INDEX ix_sessions_expires_ms ON sessions (expires_ms);
CREATE INDEX human_loops_queue ON human_loops (team_id, created_ms, id) WHERE open_slots > 0;
CREATE INDEX human_loops_open ON human_loops (status, available_until_ms) WHERE ended_ms IS NULL;
CREATE INDEX ix_human_loops_flow_id ON human_loops (flow_id);
CREATE INDEX human_loops_by_flow ON human_loops (flow_name, created_ms, id);
CREATE INDEX assignments_working ON assignments (lease_expires_ms) WHERE state = 'working';
CREATE INDEX ix_outbox_next_attempt_ms ON outbox (next_attempt_ms);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('workteams',1);
INSERT INTO "sqlite_sequence" VALUES('workers',2);
INSERT INTO "sqlite_sequence" VALUES('human_task_uis',1);
INSERT INTO "sqlite_sequence" VALUES('flow_definitions',1);
INSERT INTO "sqlite_sequence" VALUES('human_loops',5);
INSERT INTO "sqlite_sequence" VALUES('assignments',4);
COMMIT;
