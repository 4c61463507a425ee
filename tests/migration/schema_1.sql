BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'redeemd','0001_first_till','2026-11-22 06:08:55.858861+00:00');
CREATE TABLE budget (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "budget" VALUES('acme',1,-1,1,3000);
INSERT INTO "budget" VALUES('acme',1,20779,1,3000);
CREATE TABLE bundle (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,
    manifest BLOB
) STRICT;
INSERT INTO "bundle" VALUES(1,1,X'844DA2013204487FDECE8EF97EE0B8A059013CA76474696C6C66542D303030316565706F63680165706172747385836963616D706169676E73190172582026773A0743814E0AD98BC3E5D7D06884744D81803BE2EE485FB261DA28B839FC83646B657973188A58201340CAC4CAE08F6335EF61B7E7421B6AF393A1F4F62E3D24008FAD4B2E0FDF4A8365706C616365186A58200AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85836670726F6D6F7301582076BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71836D7374617475732F61636D652F31182F58205875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228666973737565641A6B0286F76873657175656E6365016D7374616C655F61667465725F731A000151806F657870697265735F61667465725F731A0012750058400B114F43F76F1C1250364D952A5AADA25CCA7ADA9B9FC4934F28C07A5A849C6B22295AAFE5EC74E345A55C5B57EAD43D7DCFDA58ABEAE561B5B99FA6AC744D08');
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    at TEXT NOT NULL,
    forget_after INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 1 CHECK (uses > 0),
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "coupon_use" VALUES('acme',1,1,'T-0001-1','2026-11-22T06:08:55.863Z',20809,1);
CREATE TABLE evidence_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT
) STRICT;
INSERT INTO "evidence_record" VALUES(1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-22","clock":{"doubt":"","wall":"2026-11-22T06:08:55.863Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"294ed37c95ccbe60","referrer":null,"touch":null},"detail":null,"merchant":"acme","offline":true,"outcome":"already_redeemed","sale":null,"scan_id":"28c429755db941969a0201be69fee69a","source":"test","store":"S-07","token_sha256":"cc419b737a426d9d96b19da8cf654e0f85ffd54ee5959d8b4dcce716551ac76f"},"datacontenttype":"application/json","id":"T-0001-E1","lane":"evidence","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-22T06:08:55.863Z","type":"redeemd.evidence.v1","hash":"760e02d1ceb00bce51b5bf8c2b9859ce1bccfd7ed317bd5da22d3d7520069cfa","signature":"qZHh9Y0vXo-tmdpYnmekNdCv-xmrWV7Gpau6E2nZUlb1_TX2JaoKNJ1IkCG5ps2_wriykwaSyElqWq5l1ErmAg"}','760e02d1ceb00bce51b5bf8c2b9859ce1bccfd7ed317bd5da22d3d7520069cfa','waiting',NULL);
CREATE TABLE part (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "part" VALUES('campaigns',X'26773A0743814E0AD98BC3E5D7D06884744D81803BE2EE485FB261DA28B839FC',X'81B164656E64731952986473697A651864657469746C65A262656E6A3330206F666620313030627A686FE6BBA1E799BEE5878FE4B889E58D8166627564676574A469636F756E745F6461791A000F42406D636F756E745F6F66666C696E651A000F42406F76616C75655F6461795F6D696E6F721B00000002540BE4007376616C75655F6F66666C696E655F6D696E6F721B00000002540BE400666973737565726461636D65666E756D626572016670726F6D7074A262656E60627A68606673746172747319510D6673746F726573F66762656E65666974A3646B696E646A616D6F756E745F6F66666C616D6F756E745F6D696E6F72190BB86F7468726573686F6C645F6D696E6F721927106776657273696F6E016863757272656E637963434E596A636F6E646974696F6E73A262656E60627A68606A67726163655F64617973006D6F66666C696E655F636C61737361436D7374616C655F70657263656E7418196F657870697265645F70657263656E7400');
INSERT INTO "part" VALUES('keys',X'1340CAC4CAE08F6335EF61B7E7421B6AF393A1F4F62E3D24008FAD4B2E0FDF4A',X'81A8636B696448294ED37C95CCBE60666973737565726461636D6567657870697265731952BB69616C676F726974686D326963616D706169676E73F66A6E6F745F6265666F7265006A7075626C69635F6B65795820390E3E10925FA761CA191108F94FDA2AD2AC1861DE63A2EDCD9535C236F8B45E6F76616C75655F6D61785F6D696E6F721A000F4240');
INSERT INTO "part" VALUES('place',X'0AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85',X'A7647A6F6E65635554436573746F726564532D3037657469746C65A262656E6D50656F706C65277320526F6164627A686CE4BABAE6B091E8B7AFE5BA976667726F757073811846666E756D626572076863757272656E637963434E59686D65726368616E746461636D65');
INSERT INTO "part" VALUES('promos',X'76BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71',X'80');
INSERT INTO "part" VALUES('status/acme/1',X'5875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228',X'A464626974734A780163C005000019000165636F756E741864666973737565726461636D656863616D706169676E01');
CREATE TABLE print_job (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    state TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    queued_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
INSERT INTO "print_job" VALUES(1,'T-0001-1','T-0001-1','{"elements":[{"kind":"feed"},{"kind":"text","text":"People''s Road","align":"center","bold":true,"size":2},{"kind":"text","text":"Coupon receipt","align":"center"},{"kind":"feed"},{"kind":"rule"},{"kind":"columns","left":"Redemption","right":"T-0001-1"},{"kind":"columns","left":"Till","right":"T-0001"},{"kind":"columns","left":"Time","right":"2026-11-22 06:08:55"},{"kind":"rule"},{"kind":"columns","left":"Campaign","right":"30 off 100"},{"kind":"columns","left":"Offer","right":"30 off from 100"},{"kind":"rule"},{"kind":"feed"},{"kind":"text","text":"Redeemed","align":"center","bold":true,"size":2},{"kind":"feed"},{"kind":"text","text":"Redeemed offline; registered when back online","align":"center"},{"kind":"feed"},{"kind":"rule"},{"kind":"text","text":"Thank you, see you again soon","align":"center"},{"kind":"text","text":"This receipt holds no personal data","align":"center"},{"kind":"feed"},{"kind":"cut"}],"version":1}','queued',0,'','2026-11-22T06:08:55.863Z','2026-11-22T06:08:55.863Z');
CREATE TABLE promo (
    short TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    texts TEXT NOT NULL,
    redemption_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE redemption_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- conflict: acknowledged, and the coupon was redeemed at another till as well
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT               -- the cloud's answer as JSON
) STRICT;
INSERT INTO "redemption_record" VALUES(1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-22","campaign_version":1,"charge_minor":3000,"clock":{"doubt":"","wall":"2026-11-22T06:08:55.863Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"294ed37c95ccbe60","referrer":null,"touch":null},"currency":"CNY","detail":null,"discount_minor":null,"merchant":"acme","offline":true,"offline_class":"C","outcome":"accepted","promo":null,"redemption_id":"T-0001-1","sale":null,"scan_id":"0dc60f5c8799422aac4ed263de8134b7","source":"test","store":"S-07","token_sha256":"cc419b737a426d9d96b19da8cf654e0f85ffd54ee5959d8b4dcce716551ac76f"},"datacontenttype":"application/json","id":"T-0001-1","lane":"redemption","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-22T06:08:55.863Z","type":"redeemd.redemption.v1","hash":"4f3b295cc53ebe88533854c8576356e3081e7fa10afded4cb8c1b4bc6c7c8f1b","signature":"Fw4sa3futsWHmWi3xghCAsROpgdnLg_qJz_FCCxA79slCbgxOQGPIQfiV1Rmjp5KLFoRuMgtpdQDORMcwSNJDQ"}','4f3b295cc53ebe88533854c8576356e3081e7fa10afded4cb8c1b4bc6c7c8f1b','waiting',NULL);
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "request" VALUES('key','c79e038078a10d377b04dffaef74b84f92aaf34584ca6dba9e0fe1ff08937ab7','{"accepted":true,"at":"2026-11-22T06:08:55.863Z","campaign":{"benefit_en":"30 off from 100","benefit_zh":"满 100 减 30","prompt_en":"","prompt_zh":"","title_en":"30 off 100","title_zh":"满百减三十"},"coupon":{"campaign":1,"expires":"2026-12-22","index":1,"issuer":"acme"},"currency":"CNY","detail":null,"discount_minor":null,"en":"Accepted: 30 off from 100","first_use":null,"ms":0.0,"next_en":"Check: 30 off from 100","next_zh":"请核对：满 100 减 30","offline":true,"outcome":"accepted","print_job":"T-0001-1","redemption_id":"T-0001-1","replayed":false,"scan_id":"0dc60f5c8799422aac4ed263de8134b7","source":"test","tone":"good","transient":false,"works_from":null,"zh":"可用：满 100 减 30"}','2026-11-22T06:08:55.863Z');
CREATE TABLE root (
    epoch INTEGER PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;
INSERT INTO "root" VALUES(1,X'A264726F6F745891A56565706F636801666973737565641A6B0286F769726F6F745F6B657973818248622E33746CA3E3715820293FF2D7301C8A162E545495285728701BFF0AAD4B0E096A3097AB605B5E8E9F697468726573686F6C64016D6D616E69666573745F6B6579738182487FDECE8EF97EE0B85820B1786BF1CA4FF62723E0809EB4FCB8F6CCEFF84A08C6490E6357A0B55CC46C416A7369676E617475726573818248622E33746CA3E37158403B18D590ADB737F03D89B890A98CC72D20AEB923070DABDFD18C06E94FA1805E528E874E28384B0B739206FA4BFBDA23FBCD23B09AB4E0E9CC8591D0737FB107');
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('till','T-0001');
INSERT INTO "setting" VALUES('time_anchor','2026-11-22T06:08:55.000Z - 0.000');
INSERT INTO "setting" VALUES('time_mark','2026-11-22T06:08:55.000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX redemption_waiting ON redemption_record (sequence) WHERE state = 'waiting';
CREATE INDEX redemption_quarantined ON redemption_record (sequence) WHERE state = 'quarantined';
CREATE INDEX redemption_conflict ON redemption_record (sequence) WHERE state = 'conflict';
CREATE INDEX evidence_waiting ON evidence_record (sequence) WHERE state = 'waiting';
CREATE INDEX evidence_quarantined ON evidence_record (sequence) WHERE state = 'quarantined';
CREATE INDEX evidence_conflict ON evidence_record (sequence) WHERE state = 'conflict';
CREATE VIEW record AS
    SELECT 'redemption' AS lane, sequence, event, hash, state, outcome FROM redemption_record
    UNION ALL SELECT 'evidence', sequence, event, hash, state, outcome FROM evidence_record;
CREATE INDEX print_job_open ON print_job (number) WHERE state IN ('queued', 'sending', 'unconfirmed');
CREATE INDEX promo_free ON promo (short) WHERE redemption_id IS NULL;
COMMIT;
PRAGMA application_id = 1380207940;
PRAGMA user_version = 1;
